"""Samples packed into rows of fixed length: the clean, causal stream, and the live groups that are noised over it.

A sample's spans are laid out in *rounds*: round r holds the r-th block of every span that is long enough, in the
order in which they are committed when several spans grow at once. With one span, or blocks as long as the spans, that
is simply one after the other. The clean stream is causal in row order; positions come from the layout.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from sampler.tokenizer import RESERVED, Tokenizer
from seedfill.training.noise import NoiseSchedule
from seedfill.training.samples import Sample, SampleSource

IGNORED = -100
"""Target of a position that teaches nothing."""

PAD_WEIGHT = 0.3
"""Weight of the end tokens that fill a span's last block behind its first one; at 1 spans end too early."""


@dataclass(slots=True)
class LiveGroup:
    """Blocks denoised together: they see the row's clean tokens before `limit`, and each other."""

    limit: int
    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    """0 for anchors, which are read but neither masked nor predicted."""


@dataclass(slots=True)
class Stream:
    """One row of the clean stream under construction, and the live groups that belong to it."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    groups: list[LiveGroup] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch for the causal stream, each (B, T) int64: what is read, where it stands, what comes next."""

    tokens: np.ndarray
    positions: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True, slots=True)
class LiveRows:
    """The live stream over `Rows`: (B, L) each, and `mask` (B, L, T + L), who sees whom."""

    tokens: np.ndarray
    positions: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    mask: np.ndarray
    maskable: np.ndarray
    """True where a token could have been masked: what the masked loss is averaged over."""


def causal_rows(source: SampleSource, *, seed: int, step: int, rows: range, length: int) -> Rows:
    """Rows `rows` of step `step`: samples one after the other until a row is full."""
    return _stack([_fill(source, random.Random(f"{seed}/{step}/{row}"), length, None) for row in rows], length)


def two_stream_rows(
    source: SampleSource, schedule: NoiseSchedule, *, seed: int, step: int, rows: range, length: int, n_live: int
) -> tuple[Rows, LiveRows]:
    """Clean rows of `length` and, over each, up to `n_live` noised live tokens in blocks of random size."""
    streams, lives = [], []
    for row in rows:
        rng = random.Random(f"{seed}/{step}/{row}")
        stream = _fill(source, rng, length, rng)
        streams.append(stream)
        lives.append(_noised(_chosen(stream, rng, length, n_live), schedule, rng, source.tokenizer, length, n_live))
    columns = [np.stack(column) for column in zip(*lives, strict=True)]
    return _stack(streams, length), LiveRows(*columns)


def _fill(source: SampleSource, rng: random.Random, length: int, blocks: random.Random | None) -> Stream:
    stream = Stream()
    while len(stream.tokens) < length:
        sample = source.draw(rng)
        if len(sample) > length - len(stream.tokens):  # its spans would be cut off: plain text fills the rest
            sample = source.draw_plain(rng)
        block_size = blocks.choice((1, 2, 4, 8, 8, 16, 16, 24, 32, 32)) if blocks else 1 << 20
        append(stream, sample, block_size, source.tokenizer)
    return stream


def append(stream: Stream, sample: Sample, block_size: int, tokenizer: Tokenizer) -> None:
    """Lay `sample` out at the end of `stream`, its spans in rounds of `block_size` tokens.

    Only text, end-of-span and end-of-document tokens are targets: where a cursor stands is not to be predicted.
    """
    base = len(stream.tokens)
    _extend(stream, sample.context, base, sample.context[1:], tokenizer)
    if sample.anchors == [[]]:  # one span follows its context: <middle> predicts the span's first token
        stream.targets[-1] = _target(sample.spans[0][0], tokenizer)
    for r in range(max((-(-len(span) // block_size) for span in sample.spans), default=0)):
        group = LiveGroup(limit=len(stream.tokens))
        for anchor, span, start in zip(sample.anchors, sample.spans, sample.starts, strict=True):
            block = span[r * block_size : (r + 1) * block_size]
            if block:
                lead = anchor if r == 0 else []
                at = base + start + (0 if r == 0 else len(anchor) + r * block_size)
                _live_block(group, lead, block, at, block_size, tokenizer)
                _extend(stream, lead + block, at, [*(lead + block)[1:], *span[(r + 1) * block_size :][:1]], tokenizer)
        stream.groups.append(group)


def _extend(stream: Stream, ids: list[int], at: int, following: list[int], tokenizer: Tokenizer) -> None:
    stream.tokens += ids
    stream.positions += range(at, at + len(ids))
    targets = [_target(token, tokenizer) for token in following[: len(ids)]]
    stream.targets += targets + [IGNORED] * (len(ids) - len(targets))


def _live_block(
    group: LiveGroup, lead: list[int], block: list[int], at: int, block_size: int, tokenizer: Tokenizer
) -> None:
    """Add a block to its group, filled up to `block_size` with end tokens where the span ends inside it."""
    end = tokenizer.id("<span_end>")
    n_pad = block_size - len(block) if block[-1] == end and block_size <= 32 else 0
    ids = lead + block + [end] * n_pad
    group.tokens += ids
    group.positions += range(at, at + len(ids))
    group.weights += [0.0] * len(lead) + [1.0] * len(block) + [PAD_WEIGHT] * n_pad


def _target(token: int, tokenizer: Tokenizer) -> int:
    taught = token >= len(RESERVED) or token in (tokenizer.id("<span_end>"), tokenizer.id("<doc_end>"))
    return token if taught else IGNORED


def _chosen(stream: Stream, rng: random.Random, length: int, n_live: int) -> list[LiveGroup]:
    """Groups for one row: the spans' own first, then blocks of plain text from anywhere, while there is room."""
    groups = [group for group in stream.groups if group.limit + len(group.tokens) <= length]
    rng.shuffle(groups)
    groups += _text_blocks(stream, rng, length)
    chosen, room = [], n_live
    for group in groups:
        if len(group.tokens) <= room:
            chosen.append(group)
            room -= len(group.tokens)
    return chosen


def _text_blocks(stream: Stream, rng: random.Random, length: int) -> Iterator[LiveGroup]:
    """Blocks of context text: every stretch of code that stands in the clean stream can be denoised as well."""
    for _ in range(128):
        size = rng.choice((1, 2, 4, 8, 8, 16, 16, 24, 32, 32))
        start = rng.randrange(1, length - size)
        tokens = stream.tokens[start : start + size]
        positions = stream.positions[start : start + size]
        if min(tokens) >= len(RESERVED) and positions[-1] - positions[0] == size - 1:
            yield LiveGroup(start, tokens, positions, [1.0] * size)


def _noised(
    groups: list[LiveGroup],
    schedule: NoiseSchedule,
    rng: random.Random,
    tokenizer: Tokenizer,
    length: int,
    n_live: int,
) -> tuple[np.ndarray, ...]:
    """Mask each group at its own time t (Eq. 2) and weigh its masked tokens by γ'_t / γ_t (Eq. 5)."""
    tokens = np.full(n_live, tokenizer.id("<pad>"), dtype=np.int64)
    positions = np.zeros(n_live, dtype=np.int64)
    targets = np.full(n_live, IGNORED, dtype=np.int64)
    weights = np.zeros(n_live, dtype=np.float32)
    seen = np.zeros((n_live, length + n_live), dtype=bool)
    maskable = np.zeros(n_live, dtype=bool)
    at = 0
    for group in groups:
        end = at + len(group.tokens)
        rate, weight = schedule.at(max(rng.random(), 0.05))
        chosen = np.array([w > 0 and rng.random() < rate for w in group.weights])
        clean = np.array(group.tokens)
        tokens[at:end] = np.where(chosen, tokenizer.id("<mask>"), clean)
        positions[at:end] = group.positions
        targets[at:end] = np.where(chosen, clean, IGNORED)
        weights[at:end] = np.array(group.weights) * chosen * weight
        maskable[at:end] = np.array(group.weights) > 0
        seen[at:end, : group.limit] = True
        seen[at:end, length + at : length + end] = True
        at = end
    rest = np.arange(at, n_live)
    seen[rest, length + rest] = True  # padding attends to itself alone
    return tokens, positions, targets, weights, seen, maskable


def _stack(streams: list[Stream], length: int) -> Rows:
    columns = [
        np.array([getattr(stream, name)[:length] for stream in streams], dtype=np.int64)
        for name in ("tokens", "positions", "targets")
    ]
    return Rows(*columns)
