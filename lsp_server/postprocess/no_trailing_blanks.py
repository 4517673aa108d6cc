"""Blank text at the end is invisible, and whoever accepts it has to delete it."""

from __future__ import annotations

from lsp_server.context.query import Place


def no_trailing_blanks(text: str, place: Place) -> str:
    """`text` without blanks at its end, unless something follows on the line that they may set apart."""
    return text if place.inside_line and text.strip() else text.rstrip()
