"""The edit-based forward process (paper section 3.1, Eq. 3, 4): deletions, insertions, substitutions in sequence.

Where lengths change, targets need an alignment. Every token that is left says what should become of it:

- itself, where nothing happened; the original token, where it was substituted;
- `<delete>`, where it was inserted;
- `<expand>`, where tokens before it were deleted: one MASK is put before it and it stays as it is, so n missing tokens
  take n rounds. A token that is both substituted and right of a gap is expanded first and repaired in a later round.

An insertion right of a gap is a substitution, and its target the last missing token.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Operation = Literal["delete", "insert", "substitute"]
OPERATIONS: tuple[Operation, ...] = ("delete", "insert", "substitute")


@dataclass(frozen=True, kw_only=True, slots=True)
class EditNoise:
    """How much is edited, α in [0, max_rate], and how often by each operation."""

    max_rate: float = 0.1
    delete: float = 1.0
    insert: float = 1.0
    substitute: float = 1.0

    def n_edits(self, length: int, alpha: float) -> int:
        """k = ⌊length · α⌋ (Eq. 4); α is `alpha` in [0, 1] of the range. Raises ValueError outside it."""
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be from 0 to 1, not {alpha}.")
        return int(length * alpha * self.max_rate + 1e-9)

    def draw(self, rng: random.Random) -> Operation:
        """One operation."""
        return rng.choices(OPERATIONS, weights=[self.delete, self.insert, self.substitute])[0]


@dataclass(slots=True)
class _Token:
    """A live token and where it comes from: the original at its place (None: inserted), and what is missing before."""

    token: int
    original: int | None
    missing: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Corrupted:
    """What the model sees and what it is to say of each token; `operations` are those that were applied."""

    tokens: list[int]
    targets: list[int]
    operations: list[Operation]


def corrupt(
    tokens: Sequence[int],
    n_edits: int,
    noise: EditNoise,
    rng: random.Random,
    draw_token: Callable[[random.Random], int],
    *,
    delete_id: int,
    expand_id: int,
) -> Corrupted:
    """Apply `n_edits` edits one after the other; the Levenshtein distance to `tokens` is at most `n_edits`.

    The last token is neither deleted nor substituted: it is the right neighbour of the last gap.
    """
    row = [_Token(token, token) for token in tokens]
    applied: list[Operation] = []
    for _ in range(n_edits):
        operation = noise.draw(rng)
        if operation != "insert" and len(row) < 2:
            continue
        _APPLY[operation](row, rng, draw_token)
        applied.append(operation)
    targets = [_target(item, delete_id, expand_id) for item in row]
    return Corrupted([item.token for item in row], targets, applied)


def _delete(row: list[_Token], rng: random.Random, draw_token: Callable[[random.Random], int]) -> None:
    i = rng.randrange(len(row) - 1)
    gone = row.pop(i)
    lost = gone.missing + ([] if gone.original is None else [gone.original])
    row[i].missing = lost + row[i].missing
    _settle(row[i])


def _insert(row: list[_Token], rng: random.Random, draw_token: Callable[[random.Random], int]) -> None:
    i = rng.randrange(len(row))
    row.insert(i, _Token(draw_token(rng), None))
    row[i].missing, row[i + 1].missing = row[i + 1].missing, []
    _settle(row[i])


def _substitute(row: list[_Token], rng: random.Random, draw_token: Callable[[random.Random], int]) -> None:
    row[rng.randrange(len(row) - 1)].token = draw_token(rng)


def _settle(item: _Token) -> None:
    """An inserted token right of a gap stands where the last missing one stood: a substitution."""
    if item.original is None and item.missing:
        item.original = item.missing.pop()


_APPLY = {"delete": _delete, "insert": _insert, "substitute": _substitute}


def _target(item: _Token, delete_id: int, expand_id: int) -> int:
    if item.missing:
        return expand_id
    return delete_id if item.original is None else item.original


def repair(tokens: Sequence[int], targets: Sequence[int], *, mask_id: int, delete_id: int, expand_id: int) -> list[int]:
    """One round of what the targets say: replace, drop, or put a MASK before the token and leave it."""
    repaired: list[int] = []
    for token, target in zip(tokens, targets, strict=True):
        if target == expand_id:
            repaired += [mask_id, token]
        elif target != delete_id:
            repaired.append(target)
    return repaired
