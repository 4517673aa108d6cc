"""Where an excerpt of a file can begin and end so that it reads as a whole: pure functions of text.

What a request says of a file is cut from it by size, often inside a docstring, a call or a class. Around the cursor
that costs a grammar its bearings: it finds errors that the file does not have. So there are a few other edges to choose
from, further in.
"""

from __future__ import annotations

import re

from sampler.text.windows import LONG_DELIMITERS

N_LEVELS = 2
"""Indentations that are tried: the smallest in the excerpt."""
N_LINES = 3
"""Lines of each."""
_STATEMENT = re.compile(r"^([ \t]*)[^\s)\]}#\"'`]", re.MULTILINE)
"""A line that can begin a statement, as far as one can see."""


def starts(before: str, language: str) -> list[int]:
    """Where the text before a cursor can begin, its start first: behind what may be the end of a string that was cut,
    and at lines that stand furthest left. What a cut leaves of brackets are closing ones: an open one stays.
    """
    first = min((at for one in LONG_DELIMITERS.get(language, ()) if (at := before.find(one)) >= 0), default=-1)
    behind = before.find("\n", first) + 1 if first >= 0 else 0
    found = [line for level in _levels(before) for line in level[:N_LINES]]
    return sorted({0, *(at for at in (behind, *found) if _n_open(before[:at]) <= 0)})


def ends(after: str, language: str) -> list[int]:
    """Where the text behind a cursor can end, its end first: before what may be the start of a string that was cut,
    and before lines that stand furthest left, the first line of code apart.
    """
    last = max((after.rfind(one) for one in LONG_DELIMITERS.get(language, ())), default=-1)
    before = after.rfind("\n", 0, last) + 1 if last >= 0 else 0
    found = [line for level in _levels(after) for line in level[-N_LINES:]]
    first = _STATEMENT.search(after)
    return sorted({len(after), *(at for at in (before, *found) if first and at > first.start())}, reverse=True)


def _levels(text: str) -> list[list[int]]:
    """The starts of the lines of the smallest indentations, by indentation; the first line may be half of one."""
    by_width: dict[int, list[int]] = {}
    for line in _STATEMENT.finditer(text):
        if line.start():
            by_width.setdefault(len(line[1]), []).append(line.start())
    return [by_width[width] for width in sorted(by_width)[:N_LEVELS]]


def _n_open(text: str) -> int:
    """How many more brackets it opens than it closes."""
    return sum(text.count(one) for one in "([{") - sum(text.count(one) for one in ")]}")
