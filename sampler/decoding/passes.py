"""What one row reads in a forward, and several rows' passes as one forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sampler.decoding.unmask import forbid
from sampler.model.families import FamilyProfile
from sampler.model.kv_cache import KeyValues
from sampler.model.network import Forward, Network, Segment


class Model(Protocol):
    """What a step needs of a loaded model."""

    @property
    def network(self) -> Network:
        """The network."""
        ...

    @property
    def profile(self) -> FamilyProfile:
        """The family's facts."""
        ...

    @property
    def is_forbidden(self) -> Tensor:
        """(V,) bool, on the network's device: tokens that are never predicted."""
        ...


@dataclass(frozen=True, slots=True)
class Pass:
    """One row's share of a forward: n tokens with their positions; `wanted` are the indices to read logits at.

    `answers` are ids that the model may say here though they write no text.
    """

    tokens: list[int]
    positions: list[int]
    past: tuple[KeyValues, ...]
    is_causal: bool
    wanted: list[int]
    answers: tuple[int, ...] = ()
    seen: Tensor | None = None
    """(n, n) bool, who sees whom, where it is neither both ways nor causal throughout."""


def with_drafts(profile: FamilyProfile, commit: Pass, sizes: Sequence[int]) -> Pass:
    """The causal pass with a live group behind each of its tokens: so many masks, which see the row up to there."""
    n = len(commit.tokens)
    tokens, positions, wanted = list(commit.tokens), list(commit.positions), list(commit.wanted)
    limits = list(range(1, n + 1))  # how many of the pass's tokens each one sees
    for limit, size in zip(range(1, n + 1), sizes, strict=True):
        first, start = commit.positions[limit - 1] + 1, len(tokens)
        marker = [profile.live_marker_id] if size and profile.live_marker_id is not None else []
        tokens += [profile.mask_id] * size + marker
        positions += [*range(first, first + size), *([first] * len(marker))]
        limits += [limit] * (size + len(marker))
        wanted += range(start, start + size)
    limit_of, index = torch.tensor(limits), torch.arange(len(limits))
    is_live = index >= n
    seen = (index < limit_of[:, None]) | (is_live & is_live[:, None] & (limit_of == limit_of[:, None]))
    return Pass(tokens, positions, commit.past, True, wanted, seen=seen)


def forward(model: Model, passes: Sequence[Pass]) -> Forward:
    """All passes in one forward, a segment each."""
    device = model.is_forbidden.device
    tokens = torch.tensor([token for p in passes for token in p.tokens], device=device)
    positions = torch.tensor([position for p in passes for position in p.positions], device=device)
    segments = [Segment(len(p.tokens), p.past, p.is_causal, p.seen) for p in passes]
    return model.network.read(tokens, positions, segments)


def read_logits(model: Model, hidden: Tensor, passes: Sequence[Pass]) -> list[Tensor]:
    """Logits (len(wanted), V) of each pass, forbidden tokens out but for those that the pass may answer."""
    wanted, offset = [], 0
    for p in passes:
        wanted += [offset + i for i in p.wanted]
        offset += len(p.tokens)
    chosen = hidden.index_select(0, torch.tensor(wanted, dtype=torch.long, device=hidden.device))
    parts = torch.split(model.network.logits(chosen), [len(p.wanted) for p in passes])
    return [forbid(part, model.is_forbidden, p.answers) for part, p in zip(parts, passes, strict=True)]
