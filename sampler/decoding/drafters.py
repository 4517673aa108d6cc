"""Who drafts the tokens of a block: a class a drafter, by the names that `policies.py` knows.

Drafts cost little, and where the causal reading has the last word on them (speculative decoding) no text comes out
that token-by-token decoding would not have written. `Masks` leaves the block to the steps that unmask it. `Fused`
(TiDAR, arXiv 2511.08923) reads its draft in the very pass that commits a block, from masks behind each of its tokens.
`Lookup` (prompt lookup decoding) takes what followed the last tokens where they stood before: code says the same again
and again, so that this is often right, and it costs no pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol, TypeAlias

from sampler.decoding.canvas import Canvas
from sampler.decoding.policies import Draft
from sampler.decoding.span import Span

MOST = 8
"""Tokens of a draft: more are seldom right to the end."""
MOST_IN_ALL = 32
"""Tokens of the drafts of all rows of a request: more make a forward dearer on a CPU than they spare."""

LENGTHS = (2, 1)
"""Tokens that are looked for: two, and the last alone where they stood nowhere together."""


def most_for(n_rows: int) -> int:
    """Tokens of each draft, where so many rows of a request share a forward."""
    return max(min(MOST, MOST_IN_ALL // n_rows), 1)


class Drafter(Protocol):
    """Drafts for the one span of a row; made anew for each row."""

    def open(self, canvas: Canvas, span: Span, size: int) -> int:
        """Put a draft behind the span's next token where there is one; returns the size of the block to begin."""
        ...

    def group_sizes(self, span: Span, size: int) -> list[int]:
        """How many masks stand behind each token of the block as it is committed; empty where it is only read."""
        ...

    def share(self, n_rows: int) -> None:
        """Share the room for drafts with so many rows of the same request, this one among them."""
        ...


class Masks:
    """Drafts nothing: a block is masks, which are denoised step by step."""

    def open(self, canvas: Canvas, span: Span, size: int) -> int:
        """As many masks as were asked for."""
        return size

    def group_sizes(self, span: Span, size: int) -> list[int]:
        """The pass only reads."""
        return []

    def share(self, n_rows: int) -> None:
        """Masks share nothing."""


class Fused(Masks):
    """The pass that commits a block drafts the next as well, for however much of the block is kept."""

    def open(self, canvas: Canvas, span: Span, size: int) -> int:
        """Without a draft no masks either, since passes only check."""
        return size if span.draft else 1

    def group_sizes(self, span: Span, size: int) -> list[int]:
        """The first mask of each group is for the token that is chosen in this pass."""
        assert span.block is not None
        room = [span.limit - len(span.tokens) - i for i in range(1, len(span.block) + 1)]
        return [n if n > 1 else 0 for n in (min(size, left) for left in room)]


Places: TypeAlias = dict[tuple[int, ...], int]
"""One or two tokens, and where they were last followed by another."""


class Lookup(Masks):
    """The tokens of a growing row, and where each pair of them, and each alone, was last followed by another.

    `most`: tokens of a draft.
    """

    def __init__(self, context: Sequence[int]) -> None:
        self.most = MOST
        self._row = list(context)
        self._followed = dict(_followed_in(tuple(context)))
        self._n_context = len(self._row)

    def open(self, canvas: Canvas, span: Span, size: int) -> int:
        """The draft ends with what ends a span; the block is no longer than it."""
        if span.next_token is None:
            return size
        begun = [*span.given, span.next_token]
        span.draft = until_end(canvas, self.draft([*span.tokens, *begun]))
        return len(begun) + len(span.draft)

    def share(self, n_rows: int) -> None:
        """Drafts get shorter the more rows there are."""
        self.most = most_for(n_rows)

    def draft(self, written: Sequence[int]) -> list[int]:
        """At most `most` tokens to follow the context and what is written behind it, which only ever grows."""
        for token in written[len(self._row) - self._n_context :]:
            _note(self._followed, self._row, len(self._row))
            self._row.append(token)
        places = (self._followed.get(tuple(self._row[-n:])) for n in LENGTHS)
        at = next((place for place in places if place is not None), None)
        return [] if at is None else self._row[at : at + self.most]


@lru_cache(maxsize=4)
def _followed_in(context: tuple[int, ...]) -> Places:
    """The same for all rows of a context, which are many where other beginnings are written on."""
    found: Places = {}
    for at in range(len(context)):
        _note(found, context, at)
    return found


def _note(places: Places, row: Sequence[int], at: int) -> None:
    """That the tokens before `at` are followed."""
    for n in LENGTHS:
        if at >= n:
            places[tuple(row[at - n : at])] = at


DRAFTERS: dict[Draft, Callable[[Canvas], Drafter]] = {
    "none": lambda canvas: Masks(),
    "masks": lambda canvas: Masks(),
    "fused": lambda canvas: Fused(),
    "lookup": lambda canvas: Lookup(canvas.context),
}


def drafter_for(name: Draft, canvas: Canvas) -> Drafter:
    """The drafter of a row that begins; masks where it has several spans, or old code, which is a draft itself."""
    can_draft = len(canvas.spans) == 1 and canvas.spans[0].old_code is None
    return DRAFTERS[name](canvas) if can_draft else Masks()


def until_end(canvas: Canvas, tokens: list[int]) -> list[int]:
    """`tokens` up to the first that ends a span, and with it."""
    end = next((i for i, token in enumerate(tokens) if token in canvas.stop_ids), len(tokens))
    return tokens[: end + 1]
