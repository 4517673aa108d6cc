"""After a change by hand, the places where the same change follows: a name that has another name now, equal lines.

Nothing is guessed: a place is offered only where the very name, or the very line, still stands.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from lsp_server.edits.selection import Replacement
from sampler.text.places import kinds_at

MAX_PLACES = 1000
"""More are not offered at once: nobody looks through them."""
LONGEST_NAME = 200
MIN_LINE = 6
"""Characters of a line that says enough to be the same elsewhere on purpose."""
_NAME = re.compile(r"[^\W\d]\w*")
_WORD = re.compile(r"\w*")


@dataclass(frozen=True, slots=True)
class Burst:
    """Changes at one place: the text before the first of them, and the characters that they reach now."""

    base: str
    start: int
    end: int

    def follow(self, before: str, after: str) -> Burst:
        """With one more change; one at another place begins a new burst."""
        start, end, new_end = changed(before, after)
        if start > _word_end(before, self.end) or end < _word_start(before, self.start):
            return Burst(before, start, new_end)
        return Burst(self.base, min(self.start, start), max(self.end, end) + new_end - end)


class Pattern(NamedTuple):
    """What a person made of what, at character `at`; whether it is a name or a whole line."""

    old: str
    new: str
    at: int
    is_name: bool


def begun(before: str, after: str) -> Burst:
    """A burst of one change."""
    start, _, new_end = changed(before, after)
    return Burst(before, start, new_end)


def changed(before: str, after: str) -> tuple[int, int, int]:
    """Characters `start` to `end` of `before` became `start` to `new_end` of `after`."""
    most = min(len(before), len(after))
    start = _longest(most, lambda i, n: before[i : i + n] == after[i : i + n])
    ends = len(before), len(after)
    n_tail = _longest(
        most - start, lambda i, n: before[ends[0] - i - n : ends[0] - i] == after[ends[1] - i - n : ends[1] - i]
    )
    return start, len(before) - n_tail, len(after) - n_tail


def pattern_of(burst: Burst, text: str) -> Pattern | None:
    """What the changes amount to: another name for a name, or another line for a line."""
    start, end, new_end = changed(burst.base, text)
    old, new = _widened(burst.base, start, end), _widened(text, start, new_end)
    first = _word_start(text, start)
    if old != new and _NAME.fullmatch(old) and _NAME.fullmatch(new):
        return Pattern(old, new, first, True)
    line_start = text.rfind("\n", 0, start) + 1
    old_line, new_line = _lines(burst.base, start, end), _lines(text, start, new_end)
    if "\n" in old_line + new_line or min(len(old_line.strip()), len(new_line.strip())) < MIN_LINE:
        return None
    if old_line.strip() == new_line.strip():
        return None
    return Pattern(old_line.strip(), new_line.strip(), line_start, False)


@lru_cache(maxsize=2)
def follow_ups(pattern: Pattern, text: str, language: str) -> tuple[Replacement, ...]:
    """The places of the pattern's old text, at most `MAX_PLACES`, those behind the change first.

    They stay the same until the text changes, and editors ask at each move of the cursor.
    """
    found = _words(text, pattern) if pattern.is_name else _equal_lines(text, pattern.old)
    behind = bisect_left(found, (pattern.at, 0))
    nearest = sorted([*found[behind:], *found[:behind]][:MAX_PLACES])
    spans = _names(nearest, text, language) if pattern.is_name else nearest
    ordered = sorted(spans, key=lambda span: (span[0] < pattern.at, span[0]))
    return tuple(Replacement(start, end, pattern.new) for start, end in ordered)


def _words(text: str, pattern: Pattern) -> list[tuple[int, int]]:
    """Where the name stands as a word, as an attribute or not as it did."""
    wanted, is_attribute = re.compile(rf"{re.escape(pattern.old)}(?!\w)"), _is_attribute(text, pattern.at)
    words = [word.span() for word in wanted.finditer(text) if not _is_letter(text[word.start() - 1 : word.start()])]
    return [word for word in words if _is_attribute(text, word[0]) is is_attribute]


def _names(words: list[tuple[int, int]], text: str, language: str) -> list[tuple[int, int]]:
    """Of words in order those that are names in code; in a language without a grammar all."""
    kinds = kinds_at(text, language, (start for start, _ in words))
    return words if kinds is None else [word for word, kind in zip(words, kinds, strict=True) if "identifier" in kind]


def _is_attribute(text: str, start: int) -> bool:
    return text[start - 1 : start] == "."


def _equal_lines(text: str, line: str) -> list[tuple[int, int]]:
    pattern = re.compile(rf"^[ \t]*({re.escape(line)})[ \t]*\r?$", re.MULTILINE)
    return [match.span(1) for match in pattern.finditer(text)]


def _widened(text: str, start: int, end: int) -> str:
    """The characters and the rest of the words at their edges."""
    return text[_word_start(text, start) : _word_end(text, end)]


def _word_end(text: str, end: int) -> int:
    rest = _WORD.match(text, end)
    return rest.end() if rest else end


def _word_start(text: str, start: int) -> int:
    least = max(start - LONGEST_NAME, 0)
    while start > least and _is_letter(text[start - 1]):
        start -= 1
    return start


def _is_letter(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def _lines(text: str, start: int, end: int) -> str:
    line_end = text.find("\n", end)
    return text[text.rfind("\n", 0, start) + 1 : len(text) if line_end < 0 else line_end].rstrip("\r")


def _longest(most: int, are_same: Callable[[int, int], bool]) -> int:
    """How many characters up to `most` are the same, given whether the n behind the i-th are; each is read twice."""
    n_same, step = 0, most
    while step := min(step, most - n_same):
        if are_same(n_same, step):
            n_same += step
        else:
            step //= 2
    return n_same
