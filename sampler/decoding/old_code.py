"""What is left of the old code while an edit is written: the tokens that the blocks to come start from.

Where the model judges old tokens one by one, the old code goes on behind the last one judged. Where it writes of its
own accord, the old code goes on at the place that is nearest by edit distance to what has been written (Levenshtein's
recurrence, a row of it for each token written). Locked tokens are never passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

MIN_PACE = 4
"""Tokens of old code that are laid out however little of it was kept."""


@dataclass(slots=True, eq=False)
class OldCode:
    """The old tokens, the end token last; `at` is the first that is not dealt with."""

    tokens: list[int]
    is_locked: list[bool]
    at: int = 0
    pace: int | None = None
    """Tokens worth laying out at once, by how far the last ones were kept; None: as many as there is room for."""
    _floor: int = 0
    """Behind the last locked token that was written: the old code never goes back to before it."""
    _distances: list[int] = field(default_factory=list)
    """Of what was written to each beginning of the old code."""

    def __post_init__(self) -> None:
        self._distances = list(range(len(self.tokens) + 1))

    @property
    def rest(self) -> list[int]:
        """The tokens that nothing has been written for yet."""
        return self.tokens[self.at :]

    @property
    def must_come(self) -> bool:
        """Whether the next token is locked, so that nothing else may come first."""
        return self.at < len(self.tokens) and self.is_locked[self.at]

    def goes_on(self, written: int | None) -> int:
        """Where the old code goes on once the model has written a token of its own, None for nothing."""
        return self.at if written is None else self._nearest(self._distances_with(written), written)

    def has_lock(self, start: int) -> bool:
        """Whether a token from there on is locked."""
        return any(self.is_locked[start:])

    def follow(self, written: Sequence[int], at: int) -> None:
        """Take note of what was written, after which the old code goes on at `at`."""
        for token in written:
            self._distances = self._distances_with(token)
        locked = (i for i in range(at - 1, self._floor - 1, -1) if self.is_locked[i])
        self._floor = next(locked, self._floor - 1) + 1
        self.at = at

    def keep_pace(self, n_laid: int, n_kept: int) -> None:
        """Lay out twice as much once all was kept, half as much where it was not: what is not kept costs time."""
        self.pace = 2 * n_laid if n_kept == n_laid else max(n_laid // 2, MIN_PACE)

    def _nearest(self, distances: Sequence[int], written: int) -> int:
        """The end of the nearest beginning, the longest of several; behind a locked token only where it was written."""
        ends = range(self._floor, len(self.tokens) + 1)
        lock = next((i for i in ends[:-1] if self.is_locked[i]), len(self.tokens))
        last = lock + 1 if lock < len(self.tokens) and self.tokens[lock] == written else lock
        return min(reversed(ends[: last - self._floor + 1]), key=distances.__getitem__)

    def _distances_with(self, written: int) -> list[int]:
        row = [self._distances[0] + 1]
        for i, old in enumerate(self.tokens):
            row.append(min(row[-1] + 1, self._distances[i + 1] + 1, self._distances[i] + (old != written)))
        return row
