"""Noise schedules: γ_t, the chance that a token is masked at time t in [0, 1] (paper section 3.1, Eq. 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class NoiseSchedule:
    """γ rises from (nearly) 0 at t = 0 to 1 at t = 1.

    linear: γ = t · cosine: γ = 1 − cos(π t / 2) · log-linear: −log(1 − γ) grows linearly in t.
    """

    kind: Literal["linear", "cosine", "log-linear"] = "linear"
    floor: float = 1e-3
    """Least γ, so that no weight is infinite; also what log-linear leaves unmasked at t = 1."""

    def rate(self, t: float) -> float:
        """γ_t."""
        if self.kind == "linear":
            rate = t
        elif self.kind == "cosine":
            rate = 1 - math.cos(t * math.pi / 2)
        else:
            rate = 1 - math.exp(-t * self._top)
        return min(max(rate, self.floor), 1.0)

    def slope(self, t: float) -> float:
        """γ'_t."""
        if self.kind == "linear":
            return 1.0
        if self.kind == "cosine":
            return math.sin(t * math.pi / 2) * math.pi / 2
        return self._top * math.exp(-t * self._top)

    def at(self, t: float) -> tuple[float, float]:
        """γ_t and γ'_t / γ_t, the weight of a masked token's loss in the ELBO (Eq. 5)."""
        return self.rate(t), self.slope(t) / self.rate(t)

    @property
    def _top(self) -> float:
        return -math.log(self.floor)
