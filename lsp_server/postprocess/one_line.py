"""Text in the middle of a line, of a statement, of a string or of a comment stays on its line."""

from __future__ import annotations

from lsp_server.context import Place


def one_line(text: str, place: Place) -> str:
    """The first line of `text` where the place has room for one line: more would tear something apart."""
    return text.partition("\n")[0] if place.one_line else text
