"""What is minimised: next tokens on the clean stream, masked and edited tokens on the live one (paper Eq. 5, 6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sampler.model.attention import Causal, TwoStream
from sampler.model.backbone import Backbone
from seedfill.training.data.rows import IGNORED, Rows
from seedfill.training.objectives.live import LiveRows


@dataclass(frozen=True, slots=True)
class LossParts:
    """Sums over this process's rows, with what they are to be divided by over all processes' rows."""

    sums: dict[str, Tensor]
    counts: dict[str, float]
    factors: dict[str, float]
    """How much each part weighs in the loss that is minimised."""
    n_tokens: float
    """Tokens of the clean stream in these rows, padding left out: what a run counts as seen."""


def next_token(model: Backbone, rows: Rows, device: torch.device) -> LossParts:
    """Cross-entropy of the next token over the clean stream, in nats."""
    tokens, positions, targets = (_to(column, device) for column in (rows.tokens, rows.positions, rows.targets))
    hidden = model(tokens, positions, Causal())
    return LossParts(
        sums={"next_token": _cross_entropy(model, hidden, targets).sum()},
        counts={"next_token": float((rows.targets != IGNORED).sum())},
        factors={"next_token": 1.0},
        n_tokens=float(rows.tokens.size),
    )


def masked(
    model: Backbone,
    rows: Rows,
    live: LiveRows,
    device: torch.device,
    next_token_factor: float,
    edited_factor: float = 1.0,
    logit_shift: int = 0,
) -> LossParts:
    """Cross-entropy of live tokens, and of the clean stream's next tokens beside it.

    A live token is read at its own position, or with `logit_shift` 1 at the position before it.

    The masked part (Eq. 6, second term) is weighted and divided by the live tokens that could have been masked, so it
    estimates the ELBO per token. The edited part (first term) judges every token of the groups that were edited; it is
    a mean by weight, which is the plain mean unless changed tokens weigh more than untouched ones.
    """
    hidden = _two_streams(model, rows, live, device)
    n_clean = rows.tokens.shape[1]
    clean_loss = _cross_entropy(model, hidden[:, :n_clean], _to(rows.targets, device))
    live_hidden = _before(hidden, live, n_clean) if logit_shift else hidden[:, n_clean:]
    live_loss = _cross_entropy(model, live_hidden, _to(live.targets, device))
    weighted = live_loss * _to(live.weights, device).flatten()
    is_edited = _to(live.is_edited, device).flatten()
    is_masked = live.is_maskable & (live.targets != IGNORED)
    return LossParts(
        sums={
            "next_token": clean_loss.sum(),
            "masked": weighted[~is_edited].sum(),
            "edited": weighted[is_edited].sum(),
            "masked_plain": live_loss.detach()[_to(is_masked, device).flatten()].sum(),
        },
        counts={
            "next_token": float((rows.targets != IGNORED).sum()),
            "masked": float(live.is_maskable.sum()),
            "edited": float(live.weights[live.is_edited].sum()),
            "masked_plain": float(is_masked.sum()),
        },
        factors={"next_token": next_token_factor, "masked": 1.0, "edited": edited_factor, "masked_plain": 0.0},
        n_tokens=float(rows.tokens.size),
    )


def live_log_probs(model: Backbone, rows: Rows, live: LiveRows, is_forbidden: Tensor) -> Tensor:
    """(B, L) log-probability of every live token's target, 0 where there is none, as the sampler reads it.

    `is_forbidden` (V,) are tokens that are never predicted, the mask among them, on the network's device.
    """
    hidden = _two_streams(model, rows, live, is_forbidden.device)[:, rows.tokens.shape[1] :]
    targets = _to(live.targets, is_forbidden.device)
    return -_cross_entropy(model, hidden, targets, is_forbidden).view(targets.shape)


def _two_streams(model: Backbone, rows: Rows, live: LiveRows, device: torch.device) -> Tensor:
    """Hidden states (B, T + L, hidden): the clean stream, then the live one."""
    tokens = _to(torch.cat([torch.from_numpy(rows.tokens), torch.from_numpy(live.tokens)], dim=1), device)
    positions = _to(torch.cat([torch.from_numpy(rows.positions), torch.from_numpy(live.positions)], dim=1), device)
    seen = _to(live.mask, device)[:, None]
    hidden: Tensor = model(tokens, positions, TwoStream(rows.tokens.shape[1], seen))
    return hidden


def _before(hidden: Tensor, live: LiveRows, n_clean: int) -> Tensor:
    """(B, L, hidden) at the position before each live token: of a group's first token the last clean one it sees."""
    limits, starts = live.mask[:, :, :n_clean].sum(-1), live.mask[:, :, n_clean:].argmax(-1)  # (B, L) each
    index = np.arange(live.tokens.shape[1])
    at = np.where(starts == index, np.maximum(limits - 1, 0), n_clean + index - 1)
    where = _to(at, hidden.device)[..., None].expand(-1, -1, hidden.shape[-1])
    return hidden.gather(1, where)


def _cross_entropy(model: Backbone, hidden: Tensor, targets: Tensor, is_forbidden: Tensor | None = None) -> Tensor:
    """(B, T, hidden), (B, T) → (B · T,), 0 where the target is ignored: there no logits are computed."""
    targets = targets.flatten()
    asked = (targets != IGNORED).nonzero()[:, 0]
    logits = model.logits(hidden.flatten(0, 1)[asked]).float()
    if is_forbidden is not None:
        logits = logits.masked_fill(is_forbidden, -torch.inf)
    losses = F.cross_entropy(logits, targets[asked], reduction="none")
    return torch.zeros(targets.shape, device=losses.device).index_put((asked,), losses)


def _to(column: object, device: torch.device) -> Tensor:
    tensor = column if isinstance(column, Tensor) else torch.from_numpy(column)
    return tensor.to(device, non_blocking=True)
