"""Muon for the matrices inside the layers, AdamW for embeddings and norms.

Muon takes the momentum's nearest orthogonal matrix as the step (Newton–Schulz, quintic), so that every direction of a
matrix learns at the same pace. The iteration needs no precision, so it runs in the dtype that the network computes in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Tensor, n_steps: int = 5) -> Tensor:
    """An approximation of U Vᵀ for matrix = U S Vᵀ, shape (m, n)."""
    a, b, c = _COEFFICIENTS
    x: Tensor = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(n_steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.mT if matrix.shape[0] > matrix.shape[1] else x
    return result


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; `lr` is the step's root-mean-square for a square matrix."""

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every matrix that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        assert parameter.grad is not None
        momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
        momentum.lerp_(parameter.grad, 1 - group["momentum"])
        direction = orthogonalise(parameter.grad.lerp(momentum, group["momentum"]).to(self.dtype))
        scale = max(1.0, parameter.shape[0] / parameter.shape[1]) ** 0.5
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(direction, alpha=-group["lr"] * scale)


def make_optimisers(
    model: nn.Module, *, matrix_lr: float, other_lr: float, dtype: torch.dtype = torch.float32
) -> list[torch.optim.Optimizer]:
    """Muon on the layers' matrices, iterating in `dtype`, and AdamW on the rest."""
    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and ".layers." in name]
    others = [p for name, p in named if not (p.ndim == 2 and ".layers." in name)]
    return [
        Muon(matrices, lr=matrix_lr, dtype=dtype),
        torch.optim.AdamW(others, lr=other_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]
