"""The lines right above the cursor are not written a second time."""

from __future__ import annotations

from lsp_server.context.query import Place

LINES_LOOKED_AT = 60
MIN_LINE = 8
"""Characters of a single line that are no chance when they come again: closing brackets and `pass` do."""


def no_lines_above(text: str, place: Place) -> str:
    """Nothing, where `text` begins with the lines that stand right above it."""
    lines = (place.line_before + text).split("\n")
    ours = [line.strip() for line in lines if line.strip()]
    above = [line.strip() for line in place.lines_above(LINES_LOOKED_AT) if line.strip()]
    repeated = (n for n in range(1, min(len(ours), len(above)) + 1) if above[-n:] == ours[:n])
    return "" if any(_says_something(ours[:n]) for n in repeated) else text


def _says_something(lines: list[str]) -> bool:
    return sum(map(len, lines)) >= MIN_LINE and any(char.isalnum() for line in lines for char in line)
