"""A string that is opened or closed already is not opened or closed again."""

from __future__ import annotations

from lsp_server.context.context import Place

_AFTER_A_STRING = " ,)]}:;.+%\n"


def no_doubled_quotes(text: str, place: Place) -> str:
    """`text` without the quotes that open the string around the cursor, up to those that close it."""
    quote = place.syntax.quote if place.syntax else None
    if quote is None:
        return text
    if place.line_before.endswith(quote) and _opens(text, quote):
        text = text.removeprefix(quote)
    closing = _find(text, quote)
    return text[:closing] if closing >= 0 and _is_closed(place, quote) else text


def _opens(text: str, quote: str) -> bool:
    """Whether `text` begins with a string of its own, rather than with the end of an empty one."""
    following = text[len(quote) : len(quote) + 1]
    return text.startswith(quote) and following not in _AFTER_A_STRING and following != quote[0]


def _is_closed(place: Place, quote: str) -> bool:
    """Quotes come in pairs, so an odd number of them after the cursor begins with the one that closes."""
    runs_over_lines = len(quote) == 3 or quote == "`"
    return (place.after if runs_over_lines else place.line_after).count(quote) % 2 == 1


def _find(text: str, quote: str) -> int:
    """Where `quote` comes first without a backslash before it."""
    at = text.find(quote)
    while at > 0 and text[at - 1] == "\\":
        at = text.find(quote, at + 1)
    return at
