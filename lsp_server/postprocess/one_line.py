"""Text in the middle of a line, of a string or of a comment stays on its line."""

from __future__ import annotations

from lsp_server.context.query import Place


def one_line(text: str, place: Place) -> str:
    """The first line of `text` where the place has room for one line: more would tear something apart.

    Likewise where a statement was begun and no grammar knows its end.
    """
    is_one = place.is_confined if place.syntax else place.one_line
    return text.partition("\n")[0] if is_one else text
