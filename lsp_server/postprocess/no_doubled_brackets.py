"""A bracket that is closed after the cursor is not closed before."""

from __future__ import annotations

from lsp_server.context.context import Place
from lsp_server.postprocess.brackets import OPENER_OF, unmatched


def no_doubled_brackets(text: str, place: Place) -> str:
    """`text` up to the first closing bracket that belongs to none, or to one which is closed after the cursor."""
    if place.syntax is None or place.surroundings != "code" or not any(closer in text for closer in OPENER_OF):
        return text
    parsed = place.syntax.inserted(text)
    stray, _ = unmatched(parsed.brackets("inside"))
    if not stray:
        return text
    still_open = [bracket for bracket, _ in unmatched(parsed.brackets("before"))[1]]
    n_closed_below = len(unmatched(parsed.brackets("after"))[0])
    for bracket, at in stray:
        if len(still_open) <= n_closed_below or still_open.pop() != OPENER_OF[bracket]:
            return text[:at]
    return text
