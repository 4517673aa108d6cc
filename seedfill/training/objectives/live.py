"""The live stream of a training row: blocks over the clean stream, noised by masks or by edits (paper Eq. 2, 3).

A group sees the clean tokens before it and itself, and ends with the live marker, which tells the network that it reads
a live block: there a visible token is judged where it stands, in the clean stream it predicts the next one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from sampler.model.layout import LIVE_MARKER
from sampler.model.tokenizer import Tokenizer
from seedfill.training.data.rows import BLOCK_SIZES, IGNORED, LiveGroup, Rows, Stream, fill, is_text, random_text, stack
from seedfill.training.data.samples import SampleSource
from seedfill.training.objectives.corrupt import EditNoise, corrupt
from seedfill.training.objectives.noise import NoiseSchedule

LEAST_TIME = 0.05
"""t is drawn from here to 1: below, a group hardly has a mask and the weights have no bound."""

EDITED_SIZES = (10, 16, 24, 32, 32)
"""Edits are a tenth of a group at most, so a group to edit needs ten tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveNoise:
    """What befalls live groups: masks on a schedule, and for a share of them edits instead."""

    schedule: NoiseSchedule = NoiseSchedule()
    edits: EditNoise = EditNoise()
    edited_share: float = 0.0
    changed_weight: float = 1.0
    """What a token that an edit changed weighs in the edited part of Eq. 6, an untouched one weighing 1.

    The paper weighs all alike. At most a tenth of the tokens is changed, though, and a small network takes long to
    leave "keep everything", which is right for nine in ten; with weight w it changes a token where it holds a
    change to be likelier than 1 : w, so what it learns first is where, not only whether.
    """


@dataclass(frozen=True, slots=True)
class LiveRows:
    """The live stream over `Rows`: (B, L) each, and `mask` (B, L, T + L), who sees whom."""

    tokens: np.ndarray
    positions: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    """The ELBO's weight of a masked token; in an edited group 1, or `changed_weight` where a token changed."""
    is_maskable: np.ndarray
    """True where a token could have been masked: what the masked loss is averaged over."""
    is_edited: np.ndarray
    """True in groups that were edited, where every token is judged."""
    mask: np.ndarray


@dataclass(slots=True)
class Live:
    """One row of the live stream under construction."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    is_maskable: list[bool] = field(default_factory=list)
    is_edited: list[bool] = field(default_factory=list)
    bounds: list[tuple[int, int, int]] = field(default_factory=list)
    """(clean tokens that are seen, first and last live token) of each group."""

    def close_group(self, limit: int, start: int, marker_id: int) -> None:
        """Put the marker behind the group that began at live token `start` and sees `limit` clean tokens."""
        self.positions.append(self.positions[start])
        self.tokens.append(marker_id)
        self.targets.append(IGNORED)
        self.weights.append(0.0)
        self.is_maskable.append(False)
        self.is_edited.append(False)
        self.bounds.append((limit, start, len(self.tokens)))


def two_stream_rows(
    source: SampleSource, noise: LiveNoise, *, seed: int, step: int, rows: range, length: int, n_live: int
) -> tuple[Rows, LiveRows]:
    """Clean rows of `length` and, over each, up to `n_live` noised live tokens in blocks of random size."""
    streams, lives = [], []
    for row in rows:
        rng = random.Random(f"{seed}/{step}/{row}")
        stream = fill(source, rng, length, rng)
        streams.append(stream)
        lives.append(_live_row(stream, noise, rng, source.tokenizer, length, n_live))
    return stack(streams, length), stack_live(lives, length, n_live, source.tokenizer.id("<pad>"))


def _live_row(
    stream: Stream, noise: LiveNoise, rng: random.Random, tokenizer: Tokenizer, length: int, n_live: int
) -> Live:
    """Groups for one row, the spans' own first, then text from anywhere, while there is room."""
    groups = [group for group in stream.groups if group.limit + len(group.tokens) <= length]
    rng.shuffle(groups)
    live = Live()
    for group in [*groups, *_text_groups(stream, rng, length, noise.edited_share, tokenizer)]:
        n_before = len(live.tokens)
        if n_before + len(group.tokens) + 8 > n_live:
            continue
        if group.targets:
            _judge(live, group.positions[0], group.tokens, group.targets, noise.changed_weight)
        elif _is_editable(group) and rng.random() < noise.edited_share:
            _edit(live, group, noise, rng, tokenizer)
        else:
            _mask(live, group, noise.schedule, rng, tokenizer)
        live.close_group(group.limit, n_before, tokenizer.id(LIVE_MARKER))
    return live


def _text_groups(
    stream: Stream, rng: random.Random, length: int, edited_share: float, tokenizer: Tokenizer
) -> Iterator[LiveGroup]:
    """Stretches of context text: all code that stands in the clean stream can be denoised as well."""
    for _ in range(128):
        size = rng.choice(EDITED_SIZES if rng.random() < edited_share else BLOCK_SIZES)
        start = rng.randrange(1, length - size)
        tokens = stream.tokens[start : start + size]
        positions = stream.positions[start : start + size]
        if all(is_text(token, tokenizer) for token in tokens) and positions[-1] - positions[0] == size - 1:
            yield LiveGroup(start, tokens, positions, [1.0] * size)


def _is_editable(group: LiveGroup) -> bool:
    """One unbroken stretch without anchors, long enough for an edit."""
    n = len(group.tokens)
    return n >= min(EDITED_SIZES) and min(group.weights) > 0 and group.positions[-1] - group.positions[0] == n - 1


def _mask(live: Live, group: LiveGroup, schedule: NoiseSchedule, rng: random.Random, tokenizer: Tokenizer) -> None:
    """Mask each token with probability γ_t at the group's own t and weigh masked ones by γ'_t / γ_t (Eq. 2, 5)."""
    rate, weight = schedule.at(max(rng.random(), LEAST_TIME))
    chosen = [own > 0 and rng.random() < rate for own in group.weights]
    mask_id = tokenizer.id("<mask>")
    live.tokens += [mask_id if is_masked else token for token, is_masked in zip(group.tokens, chosen, strict=True)]
    live.targets += [token if is_masked else IGNORED for token, is_masked in zip(group.tokens, chosen, strict=True)]
    live.weights += [own * weight * is_masked for own, is_masked in zip(group.weights, chosen, strict=True)]
    live.positions += group.positions
    live.is_maskable += [own > 0 for own in group.weights]
    live.is_edited += [False] * len(chosen)


def _edit(live: Live, group: LiveGroup, noise: LiveNoise, rng: random.Random, tokenizer: Tokenizer) -> None:
    """Apply k_t edits and ask of every token what becomes of it (Eq. 3, 4, 6)."""
    corrupted = corrupt(
        group.tokens,
        noise.edits.n_edits(len(group.tokens), rng.random()),
        noise.edits,
        rng,
        lambda rng: random_text(rng, tokenizer),
        delete_id=tokenizer.id("<delete>"),
        expand_id=tokenizer.id("<expand>"),
    )
    _judge(live, group.positions[0], corrupted.tokens, corrupted.targets, noise.changed_weight)


def _judge(live: Live, position: int, tokens: list[int], targets: list[int], changed_weight: float) -> None:
    """A group of which every token is asked what becomes of it."""
    live.tokens += tokens
    live.targets += targets
    changed = [token != target for token, target in zip(tokens, targets, strict=True)]
    live.weights += [changed_weight if is_changed else 1.0 for is_changed in changed]
    live.positions += range(position, position + len(tokens))
    live.is_maskable += [False] * len(tokens)
    live.is_edited += [True] * len(tokens)


def stack_live(lives: Sequence[Live], length: int, n_live: int, pad_id: int) -> LiveRows:
    """Rows filled up to `n_live`; padding attends to itself alone."""
    seen = np.zeros((len(lives), n_live, length + n_live), dtype=bool)
    own = np.arange(n_live)
    seen[:, own, length + own] = True
    for row, live in enumerate(lives):
        for limit, start, end in live.bounds:
            seen[row, start:end, :limit] = True
            seen[row, start:end, length + start : length + end] = True

    def column(name: str, padding: int, dtype: type) -> np.ndarray:
        filled = [getattr(live, name) + [padding] * (n_live - len(live.tokens)) for live in lives]
        return np.array(filled, dtype=dtype)

    return LiveRows(
        tokens=column("tokens", pad_id, np.int64),
        positions=column("positions", 0, np.int64),
        targets=column("targets", IGNORED, np.int64),
        weights=column("weights", 0, np.float32),
        is_maskable=column("is_maskable", 0, bool),
        is_edited=column("is_edited", 0, bool),
        mask=seen,
    )
