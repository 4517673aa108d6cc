"""Which part of a document the model sees: line-aligned windows that move in steps, so caches survive typing.

The start of the prefix window depends on the document's beginning, not on the cursor: it moves once every
quarter of the budget. The suffix window starts at the cursor and so stays the same while one types before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

PREFIX_CHARACTERS = 2400
SUFFIX_CHARACTERS = 800
EDIT_PREFIX_CHARACTERS = 600
EDIT_SUFFIX_CHARACTERS = 200
"""Around a selection that is rewritten: it stands in the context itself, and says more than what is around it."""
PARSED_BEFORE = 8_000
PARSED_AFTER = 2_500
"""Characters around a cursor that are parsed: a document of any length costs the same few milliseconds."""

LONG_DELIMITERS = {"python": ('"""', "'''"), "javascript": ("`",), "typescript": ("`",)}
"""What opens and closes text of several lines."""
_WRITTEN_LINE = re.compile(r"(?<=\n)[ \t]*(?=[^\s)\]}])")


def prefix_window(text: str, budget: int = PREFIX_CHARACTERS) -> str:
    """The end of `text`, at most `budget` characters, from the start of a line where one is near.

    The window's start is a step function of len(text) with steps of budget / 4: between two steps a typed
    character leaves everything before it where it was.
    """
    if len(text) <= budget:
        return text
    step = max(budget // 4, 1)
    earliest = -(-(len(text) - budget) // step) * step
    line_start = text.find("\n", earliest, earliest + step) + 1
    return text[line_start or earliest :]


def suffix_window(text: str, budget: int = SUFFIX_CHARACTERS) -> str:
    """The beginning of `text`, at most `budget` characters, to the end of a line where one is near.

    Near: in the last quarter of the budget; a long line is cut rather than given up.
    """
    if len(text) <= budget:
        return text
    line_end = text.rfind("\n", budget - budget // 4, budget) + 1
    return text[: line_end or budget]


def parsed_start(before: str, language: str) -> int:
    """Where that begins which is parsed before a cursor: at a line near `PARSED_BEFORE` characters before it.

    At the first of those that stand furthest left, and none inside a string of several lines.
    """
    earliest = len(before) - PARSED_BEFORE
    if earliest <= 0:
        return 0
    first = before.find("\n", earliest) + 1 or earliest
    latest = min(earliest + PARSED_BEFORE // 2, len(before) - 1)
    indents = {found.start(): len(found[0]) for found in _WRITTEN_LINE.finditer(before, first, latest)}
    return min(_outside_strings(before, indents, language), key=lambda start: indents[start], default=first)


def _outside_strings(text: str, places: Iterable[int], language: str) -> Iterator[int]:
    """Of places in order those that stand in no string of several lines; all that stands before is looked at."""
    is_odd, at = dict.fromkeys(LONG_DELIMITERS.get(language, ()), False), 0
    for place in places:
        is_odd = {one: odd ^ (text.count(one, at, place) % 2 == 1) for one, odd in is_odd.items()}
        at = place
        if not any(is_odd.values()):
            yield place


def parsed_end(after: str) -> int:
    """The end of a line at most `PARSED_AFTER` characters on, where there is one."""
    if len(after) <= PARSED_AFTER:
        return len(after)
    return after.rfind("\n", 0, PARSED_AFTER) + 1 or PARSED_AFTER
