"""A string that is opened or closed already is not opened or closed again."""

from __future__ import annotations

from lsp_server.context.query import LINES_CHARACTERS, Place

_AFTER_A_STRING = " ,)]}:;.+%\n"


def no_doubled_quotes(text: str, place: Place) -> str:
    """`text` without the quotes that open the string around the cursor, up to those that close it."""
    quote = place.reading.quote
    if quote is None:
        return text
    if place.line_before.endswith(quote) and _opens(text, quote):
        text = text.removeprefix(quote)
    end = place.reading.inserted(text).string_end
    return text[:end] if end is not None and _is_closed(place, text, end) else text


def _opens(text: str, quote: str) -> bool:
    """Whether `text` begins with a string of its own, rather than with the end of an empty one."""
    following = text[len(quote) : len(quote) + 1]
    return text.startswith(quote) and following not in _AFTER_A_STRING and following != quote[0]


def _is_closed(place: Place, text: str, end: int) -> bool:
    """Whether the string is closed after the cursor: then closing it before brings no fewer faults.

    Neither behind a letter, nor as `text` closes it at `end`; unless what follows closes another string that `text`
    opens, as in `f("├a", "b┤")`.
    """
    reading, closing = place.reading, place.reading.closing
    if closing not in (place.after[:LINES_CHARACTERS] if place.surroundings == "text" else place.line_after):
        return False
    if reading.inserted(f"x{closing}").n_errors < reading.n_errors:
        return False
    whole, part = reading.inserted(text), reading.inserted(text[:end])
    is_string_again = whole.at_end.quote == reading.quote and whole.string_end == end
    return whole.n_errors > part.n_errors or (whole.n_errors == part.n_errors and not is_string_again)
