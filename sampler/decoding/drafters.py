"""Drafts from the row itself: what followed the last tokens where they stood before (prompt lookup decoding).

Code says the same again and again, so that these drafts are often right, and they cost no pass. The causal reading has
the last word on them, so no text comes out that token-by-token decoding would not have written.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

MOST = 8
"""Tokens of a draft: more are seldom right to the end."""
MOST_IN_ALL = 32
"""Tokens of the drafts of all rows of a request: more make a forward dearer on a CPU than they spare."""

LENGTHS = (2, 1)
"""Tokens that are looked for: two, and the last alone where they stood nowhere together."""


def most_for(n_rows: int) -> int:
    """Tokens of each draft, where so many rows of a request share a forward."""
    return max(min(MOST, MOST_IN_ALL // n_rows), 1)


Places: TypeAlias = dict[tuple[int, ...], int]
"""One or two tokens, and where they were last followed by another."""


class Lookup:
    """The tokens of a growing row, and where each pair of them, and each alone, was last followed by another.

    `most`: tokens of a draft.
    """

    def __init__(self, context: Sequence[int]) -> None:
        self.most = MOST
        self._row = list(context)
        self._followed = dict(_followed_in(tuple(context)))
        self._n_context = len(self._row)

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
