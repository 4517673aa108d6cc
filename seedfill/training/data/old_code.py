"""Old code as the start of an edit: what live blocks show, and what is to become of each of their tokens.

Old and new tokens are aligned. An old token that stays is its own target; one that is replaced has the new token as
its target, one that goes `<delete>`. New tokens without an old one belong before the next old token: as `<expand>` on
it or, as sampling comes to see them, as some masks, of which one that stands for several is `<expand>` again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import chain

from sampler.model.tokenizer import Tokenizer

DRAFT_SIZES = (8, 16, 24, 32, 32)
"""Old tokens of a live block."""
ADVANCED_SHARE = 0.5
"""Share of the drafts in which some of the changes are done already, as when an edit takes several steps."""


@dataclass(frozen=True, slots=True)
class DraftBlock:
    """A live block of old code behind the first `n_before` new tokens; `targets` say what becomes of `tokens`."""

    n_before: int
    tokens: list[int]
    targets: list[int]


@dataclass(slots=True)
class _Cell:
    """A token that a block shows, what it becomes, and what is missing before it."""

    token: int
    becomes: list[int]
    missing: list[int] = field(default_factory=list)


def draft_blocks(old: list[int], new: list[int], tokenizer: Tokenizer, rng: random.Random) -> list[DraftBlock]:
    """Blocks that lead from `old` to `new`, both with the end token last.

    Three in four drafts show their tokens as they are, in the others some are masked; and in half of them some of the
    changes are done already.
    """
    size = rng.choice(DRAFT_SIZES)
    mask_rate = 0.0 if rng.random() < 0.75 else 0.5 * rng.random()
    done_rate = rng.random() if rng.random() < ADVANCED_SHARE else 0.0
    cells = list(chain.from_iterable(_advanced(cell, done_rate, rng) for cell in _aligned(old, new)))
    blocks: list[DraftBlock] = []
    n_before = 0
    for start in range(0, len(cells), size):
        chunk = cells[start : start + size]
        shown = list(chain.from_iterable(_shown(cell, mask_rate, tokenizer.id("<mask>"), rng) for cell in chunk))
        targets = [_target(cell, tokenizer) for cell in shown]
        blocks.append(DraftBlock(n_before, [cell.token for cell in shown], targets))
        n_before += sum(len(cell.missing) + len(cell.becomes) for cell in chunk)
    return blocks


def _aligned(old: list[int], new: list[int]) -> list[_Cell]:
    """A cell for each old token; together they become `new`."""
    cells: list[_Cell] = []
    missing: list[int] = []
    for _, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for i in range(i1, i2):
            j = j1 + i - i1
            cells.append(_Cell(old[i], new[j : j + 1] if j < j2 else [], missing))
            missing = []
        missing = missing + new[j1 + i2 - i1 : j2]
    return cells


def _advanced(cell: _Cell, done_rate: float, rng: random.Random) -> Iterator[_Cell]:
    """The cell, or with that probability for each of its changes what it is when that is made."""
    missing = cell.missing
    if missing and rng.random() < done_rate:
        yield from (_Cell(token, [token]) for token in missing)
        missing = []
    is_changed = cell.becomes != [cell.token]
    if not is_changed or rng.random() >= done_rate:
        yield _Cell(cell.token, cell.becomes, missing)
    elif cell.becomes:
        yield _Cell(cell.becomes[0], cell.becomes, missing)
    elif missing:
        yield _Cell(cell.token, cell.becomes, missing)


def _shown(cell: _Cell, mask_rate: float, mask_id: int, rng: random.Random) -> Iterator[_Cell]:
    """The cell, perhaps masked; before it, in half of the cases, masks for what is missing."""
    missing = cell.missing
    if missing and rng.random() < 0.5:
        n = rng.randint(1, len(missing))
        edges = [i * len(missing) // n for i in range(n + 1)]
        yield from (_Cell(mask_id, missing[a:b]) for a, b in zip(edges, edges[1:], strict=False))
        missing = []
    yield _Cell(mask_id if rng.random() < mask_rate else cell.token, cell.becomes, missing)


def _target(cell: _Cell, tokenizer: Tokenizer) -> int:
    if cell.missing or len(cell.becomes) > 1:
        return tokenizer.id("<expand>")
    return cell.becomes[0] if cell.becomes else tokenizer.id("<delete>")
