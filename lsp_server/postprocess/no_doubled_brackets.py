"""A bracket that is closed after the cursor is not closed before."""

from __future__ import annotations

from lsp_server.context.query import Place
from lsp_server.postprocess.brackets import CLOSER_OF, OPENER_OF, Brackets, paired


def no_doubled_brackets(text: str, place: Place) -> str:
    """`text` up to the first closing bracket that belongs to none, or to one which is closed after the cursor."""
    reading = place.reading
    if not reading.knows_brackets or place.surroundings != "code" or not any(closer in text for closer in OPENER_OF):
        return text
    parsed = reading.inserted(text)
    stray, left_open = _unmatched(parsed.brackets("inside"))
    if not stray:
        return text
    still_open = [bracket for bracket, _ in _unmatched(parsed.brackets("before"))[1]]
    n_closed_below = len(_unmatched(parsed.brackets("after"))[0])
    at = _first_doubled(stray, still_open, n_closed_below)
    if at is None:
        return text
    # in `parse(├a).join(b┤)` what follows the cursor closes what the text leaves open
    is_balanced = _first_doubled(stray, still_open, max(n_closed_below - len(left_open), 0)) is None
    return text if is_balanced and parsed.n_errors <= reading.inserted(text[:at]).n_errors else text[:at]


def _first_doubled(stray: Brackets, still_open: list[str], n_closed_below: int) -> int | None:
    """The first of the closing brackets that belongs to none, or to one that is closed after the cursor."""
    waiting = [*still_open]
    for bracket, at in stray:
        if len(waiting) <= n_closed_below or waiting.pop() != OPENER_OF[bracket]:
            return at
    return None


def _unmatched(brackets: Brackets) -> tuple[Brackets, Brackets]:
    """The closers that nothing opened, and the openers that nothing closed."""
    _, alone = paired(brackets)
    return [one for one in alone if one[0] in OPENER_OF], [one for one in alone if one[0] in CLOSER_OF]
