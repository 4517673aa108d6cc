"""What is minimised: next tokens on the clean stream, masked tokens on the live one (paper Eq. 5, second term of 6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sampler.attention import Causal, TwoStream
from sampler.backbone import Backbone
from seedfill.training.rows import IGNORED, LiveRows, Rows


@dataclass(frozen=True, slots=True)
class LossParts:
    """Sums over this process's rows, with what they are to be divided by over all processes' rows."""

    sums: dict[str, Tensor]
    counts: dict[str, float]
    factors: dict[str, float]
    """How much each part weighs in the loss that is minimised."""


def next_token(model: Backbone, rows: Rows, device: torch.device) -> LossParts:
    """Cross-entropy of the next token over the clean stream, in nats."""
    tokens, positions, targets = (_to(column, device) for column in (rows.tokens, rows.positions, rows.targets))
    hidden = model(tokens, positions, Causal())
    return LossParts(
        sums={"next_token": _cross_entropy(model, hidden, targets).sum()},
        counts={"next_token": float((rows.targets != IGNORED).sum())},
        factors={"next_token": 1.0},
    )


def masked(model: Backbone, rows: Rows, live: LiveRows, device: torch.device, next_token_factor: float) -> LossParts:
    """Weighted cross-entropy of masked live tokens, read at the position itself, and the clean stream's beside it.

    The masked part is divided by the live tokens that could have been masked, so it estimates the ELBO per token.
    """
    n_clean = rows.tokens.shape[1]
    tokens = _to(torch.cat([torch.from_numpy(rows.tokens), torch.from_numpy(live.tokens)], dim=1), device)
    positions = _to(torch.cat([torch.from_numpy(rows.positions), torch.from_numpy(live.positions)], dim=1), device)
    seen = _to(live.mask, device)[:, None]
    hidden = model(tokens, positions, TwoStream(n_clean, seen))
    clean_loss = _cross_entropy(model, hidden[:, :n_clean], _to(rows.targets, device))
    live_loss = _cross_entropy(model, hidden[:, n_clean:], _to(live.targets, device))
    weighted = live_loss * _to(live.weights, device).flatten()
    return LossParts(
        sums={"next_token": clean_loss.sum(), "masked": weighted.sum(), "masked_plain": live_loss.detach().sum()},
        counts={
            "next_token": float((rows.targets != IGNORED).sum()),
            "masked": float(live.maskable.sum()),
            "masked_plain": float((live.targets != IGNORED).sum()),
        },
        factors={"next_token": next_token_factor, "masked": 1.0, "masked_plain": 0.0},
    )


def _cross_entropy(model: Backbone, hidden: Tensor, targets: Tensor) -> Tensor:
    """(B, T, hidden), (B, T) → (B · T,), 0 where the target is ignored."""
    logits = model.logits(hidden).float().flatten(0, 1)
    return F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORED, reduction="none")


def _to(column: object, device: torch.device) -> Tensor:
    tensor = column if isinstance(column, Tensor) else torch.from_numpy(column)
    return tensor.to(device, non_blocking=True)
