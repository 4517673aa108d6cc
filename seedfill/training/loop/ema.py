"""The mean of a run's last weights, kept beside them: what is evaluated and exported of a run at a constant rate.

At a constant rate weights go round their floor at a distance, and the mean lies nearer to it than any of them, as
after a decay, but the run can go on (Polyak and Juditsky 1992; for language models arXiv 2209.14981).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(slots=True)
class RunningMean:
    """An exponential mean, over half of the steps at first, so that it forgets where a run began."""

    n_steps: int = 0
    """Steps it is made of."""
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def add(self, weights: Mapping[str, nn.Parameter], horizon: int) -> None:
        """Take in the weights of one more step; those of `horizon` steps ago count 1/e of the newest."""
        self.n_steps += 1
        if not self.tensors:
            self.tensors = {name: weight.detach().clone() for name, weight in weights.items()}
        share = 1 / min((self.n_steps + 1) // 2, horizon)
        torch._foreach_lerp_(list(self.tensors.values()), [weights[name].detach() for name in self.tensors], share)

    def to(self, device: torch.device) -> RunningMean:
        """The same on a device."""
        return RunningMean(self.n_steps, {name: tensor.to(device) for name, tensor in self.tensors.items()})

    @contextmanager
    def in_place_of(self, weights: Mapping[str, nn.Parameter]) -> Iterator[None]:
        """The weights are the mean for as long as this lasts."""
        own = {name: weight.data for name, weight in weights.items()}
        for name, tensor in self.tensors.items():
            weights[name].data = tensor
        try:
            yield
        finally:
            for name, data in own.items():
                weights[name].data = data
