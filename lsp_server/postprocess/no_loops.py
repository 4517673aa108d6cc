"""A text that turns in circles ends after the first round."""

from __future__ import annotations

import re

from lsp_server.context.query import Place

MAX_PERIOD = 8
"""Lines of the longest round that is looked for."""

_ROUNDS_IN_A_LINE = re.compile(r"(\S[^\n]{0,39}?)\1{4,}")
_LETTERS = re.compile(r"[^\W\d_]{2}")


def no_loops(text: str, place: Place) -> str:
    """`text` up to where it begins to repeat itself, by lines or within one line."""
    return _without_rounds_in_a_line(_without_rounds_of_lines(text))


def _without_rounds_of_lines(text: str) -> str:
    lines = [line.strip() for line in text.split("\n")]
    for start in range(len(lines)):
        for period in range(1, MAX_PERIOD + 1):
            if _is_round(lines[start:], period):
                return "\n".join(text.split("\n")[: start + period])
    return text


def _is_round(lines: list[str], period: int) -> bool:
    """Whether `lines` begin with the same `period` lines over and over: thrice for a single line, else twice."""
    n = period * (3 if period == 1 else 2)
    one = lines[:period]
    return len(lines) >= n and any(map(_LETTERS.search, one)) and lines[:n] == one * (n // period)


def _without_rounds_in_a_line(text: str) -> str:
    for found in _ROUNDS_IN_A_LINE.finditer(text):
        if _LETTERS.search(found[1]):
            return text[: found.end(1)]
    return text
