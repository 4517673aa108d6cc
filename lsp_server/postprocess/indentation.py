"""How lines are indented: widths, the file's own step, moving a block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from lsp_server.context.query import Place
from sampler.text.lexing import without_comment

TAB_WIDTH = 4
"""Of a tab among spaces; what a file that is indented by tabs alone counts does not depend on it."""

LINES_LOOKED_AT = 200
DEFAULT_STEP = 4
OPENERS = (":", "{", "(", "[")


def indent(line: str) -> str:
    """The blanks that `line` begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def width(line: str) -> int:
    """How far `line` is indented, in columns."""
    return len(indent(line).expandtabs(TAB_WIDTH))


def step(lines: Iterable[str]) -> str | None:
    """What `lines` are indented by, a level; None where none of them tells."""
    indents = [indent(line) for line in lines if line.strip()]
    tabs = sum(one.startswith("\t") for one in indents)
    if tabs > sum(one.startswith(" ") for one in indents):
        return "\t"
    deeper = Counter(len(low) - len(high) for high, low in pairwise(indents) if len(low) > len(high))
    steps = [size for size, _ in deeper.most_common() if size in (1, 2, 3, 4, 8)]
    return " " * steps[0] if steps else None


def step_of(place: Place) -> str | None:
    """What the document is indented by near the cursor; blanks before it count as those of a line."""
    lines = [*place.lines_above(LINES_LOOKED_AT), place.line_before + ".", *place.lines_below(LINES_LOOKED_AT)]
    return step(lines)


def last_line_above(place: Place) -> str:
    """The nearest line above the cursor's that is not blank, or an empty one."""
    return next((line for line in reversed(place.lines_above(LINES_LOOKED_AT)) if line.strip()), "")


def opens_block(line: str, language: str, openers: tuple[str, ...] = OPENERS) -> bool:
    """Whether what follows `line` belongs deeper."""
    return without_comment(line.rstrip(), language).endswith(openers)


def first_with_text(lines: Sequence[str]) -> str | None:
    """The first of `lines` that is not blank."""
    return next((line for line in lines if line.strip()), None)
