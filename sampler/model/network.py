"""What decoding asks of a network, whatever computes it: a forward over rows side by side, and the logits of it.

`backbone.py` answers in torch. Another backend is a class with the same three methods; nothing above knows which runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from sampler.model.kv_cache import KeyValues


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One row's share of a forward: its length, the cache that it attends to besides itself, and how to itself."""

    length: int
    past: tuple[KeyValues, ...]
    is_causal: bool
    seen: Tensor | None = None
    """(length, length) bool, who sees whom within the row, where it is neither both ways nor causal throughout."""


@dataclass(frozen=True, slots=True, eq=False)
class Forward:
    """What a forward over N tokens gives."""

    hidden: Tensor
    """(N, hidden), normed: what `logits` takes."""
    key_values: Callable[[int], KeyValues]
    """Keys and values that the i-th segment wrote, in all layers, copied."""


class Network(Protocol):
    """A network on its device."""

    def read(self, tokens: Tensor, positions: Tensor, segments: Sequence[Segment]) -> Forward:
        """One forward over the ids `tokens` (N,) at absolute `positions` (N,): the segments one behind the other.

        Each is blind to the others and has a past of its own, so that a row computes what it would alone.
        """
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, hidden) → (…, vocab)."""
        ...

    def threads(self, n_tokens: int) -> AbstractContextManager[None]:
        """As many threads as a forward over so many tokens is worth, while it lasts."""
        ...
