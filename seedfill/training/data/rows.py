"""Samples packed into rows of fixed length: the clean, causal stream, and the live groups that belong to it.

A sample's spans are laid out in *rounds*: round r holds the r-th block of every span that is long enough, in the
order in which they are committed when several spans grow at once. With one span, or blocks as long as the spans, that
is simply one after the other. The clean stream is causal in row order; positions come from the layout.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from sampler.model.tokenizer import RESERVED, Tokenizer
from seedfill.training.data.samples import Sample, SampleSource

IGNORED = -100
"""Target of a position that teaches nothing."""

BLOCK_SIZES = (1, 2, 4, 8, 8, 16, 16, 24, 32, 32)
"""Sizes of live blocks, drawn alike: any partition is to work when sampling."""

PAD_WEIGHT = 0.3
"""Weight of the end tokens that fill a span's last block behind its first one; at 1 spans end too early."""

N_DRAWS = 3
"""Samples that are drawn for what is left of a row until one fits."""


@dataclass(slots=True)
class LiveGroup:
    """Blocks denoised together: they see the row's clean tokens before `limit`, and each other."""

    limit: int
    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    """0 for anchors, which are read but neither masked nor predicted."""
    targets: list[int] = field(default_factory=list)
    """Of old code that an edit starts from: what becomes of each token; it is not noised any further."""


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


def causal_rows(source: SampleSource, *, seed: int, step: int, rows: range, length: int) -> Rows:
    """Rows `rows` of step `step`: samples one after the other until a row is full."""
    return stack([fill(source, random.Random(f"{seed}/{step}/{row}"), length, None) for row in rows], length)


def fill(source: SampleSource, rng: random.Random, length: int, blocks: random.Random | None) -> Stream:
    """One row of at least `length` tokens; `blocks` draws the size of the spans' blocks, None: as long as the spans."""
    stream = Stream()
    while len(stream.tokens) < length:
        room = length - len(stream.tokens)
        drawn = (source.draw(rng) for _ in range(N_DRAWS))
        sample = next((sample for sample in drawn if len(sample) <= room), None)
        if sample is None:  # spans would be cut off: plain text fills the rest
            sample = source.draw_plain(rng)
        block_size = blocks.choice(BLOCK_SIZES) if blocks else 1 << 20
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
        if not sample.drafts:
            stream.groups.append(group)
    stream.groups += _draft_groups(sample, base)


def _draft_groups(sample: Sample, base: int) -> list[LiveGroup]:
    """The blocks of old code, each behind the new code that it follows."""
    groups = []
    for block in sample.drafts:
        limit, n = base + len(sample.context) + block.n_before, len(block.tokens)
        at = base + sample.starts[0] + block.n_before
        groups.append(LiveGroup(limit, block.tokens, list(range(at, at + n)), [1.0] * n, block.targets))
    return groups


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
    taught = is_text(token, tokenizer) or token in (tokenizer.id("<span_end>"), tokenizer.id("<doc_end>"))
    return token if taught else IGNORED


def is_text(token: int, tokenizer: Tokenizer) -> bool:
    """Whether a token writes something. Reserved ones, which need not come first in others' vocabularies, do not."""
    return bool(tokenizer.token_bytes[token])


def random_text(rng: random.Random, tokenizer: Tokenizer) -> int:
    """Any token that writes something."""
    while True:
        token = rng.randrange(len(RESERVED), tokenizer.vocab_size)
        if is_text(token, tokenizer):
            return token


def stack(streams: list[Stream], length: int) -> Rows:
    """Streams cut to `length`, as a batch."""
    columns = [
        np.array([getattr(stream, name)[:length] for stream in streams], dtype=np.int64)
        for name in ("tokens", "positions", "targets")
    ]
    return Rows(*columns)
