"""Text in the middle of a line stays on that line."""

from __future__ import annotations

from lsp_server.context import Place


def one_line(text: str, place: Place) -> str:
    """The first line of `text` where something follows the cursor on its line: more would tear that line apart."""
    return text.partition("\n")[0] if place.inside_line else text
