"""The lines below the cursor are not written a second time."""

from __future__ import annotations

from lsp_server.context.query import Place
from lsp_server.postprocess.brackets import is_split

LINES_LOOKED_AT = 60
MIN_CUT_LINE = 8
"""Characters of a line that was cut short which tell it from others."""


def no_lines_below(text: str, place: Place) -> str:
    """`text` without its last lines, from where they and the lines below the cursor are the same."""
    lines = text.split("\n")
    below = _without_blank_lines(place.lines_below(LINES_LOOKED_AT))
    for n in range(len(lines)):
        ours = [place.line_before + lines[0], *lines[1:]][n:]
        kept = "\n".join(lines[:n])
        if _same_start(_without_blank_lines(ours), below) and not is_split(text, len(kept), place):
            return kept
    return text


def _same_start(ours: list[str], below: list[str]) -> bool:
    """Whether one of two lists of lines is the beginning of the other; the last of ours may be cut short."""
    n = min(len(ours), len(below))
    if n == 0 or ours[: n - 1] != below[: n - 1]:
        return False
    is_cut = len(ours) == n and len(ours[-1].strip()) >= MIN_CUT_LINE and below[n - 1].startswith(ours[-1])
    return ours[n - 1] == below[n - 1] or is_cut


def _without_blank_lines(lines: list[str]) -> list[str]:
    return [line.rstrip() for line in lines if line.strip()]
