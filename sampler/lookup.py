"""Drafts from the row itself: what followed the last tokens where they stood before (prompt lookup decoding).

Code says the same again and again, so that these drafts are often right, and they cost no pass. The causal reading has
the last word on them, so no text comes out that token-by-token decoding would not have written.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST = 8
"""Tokens of a draft: more are seldom right to the end."""
MOST_IN_ALL = 32
"""Tokens of all drafts of one forward: more make it dearer on a CPU than they spare."""

LENGTHS = (2, 1)
"""Tokens that are looked for: two, and the last alone where they stood nowhere together."""


def most_for(n_rows: int) -> int:
    """Tokens of each draft, where so many rows share a forward."""
    return max(min(MOST, MOST_IN_ALL // n_rows), 1)


class Lookup:
    """The tokens of a growing row, and where each pair of them, and each alone, was last followed by another."""

    def __init__(self, context: Sequence[int]) -> None:
        self._row: list[int] = []
        self._followed: dict[tuple[int, ...], int] = {}
        self._read(context)
        self._n_context = len(self._row)

    def draft(self, written: Sequence[int], most: int = MOST) -> list[int]:
        """At most `most` tokens to follow the context and what is written behind it, which only ever grows."""
        self._read(written[len(self._row) - self._n_context :])
        places = (self._followed.get(tuple(self._row[-n:])) for n in LENGTHS)
        at = next((place for place in places if place is not None), None)
        return [] if at is None else self._row[at : at + most]

    def _read(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            for n in LENGTHS:
                if len(self._row) >= n:
                    self._followed[tuple(self._row[-n:])] = len(self._row)
            self._row.append(token)
