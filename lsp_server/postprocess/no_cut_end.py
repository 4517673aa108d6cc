"""What was cut short does not end inside of a line or of a word."""

from __future__ import annotations

import re

from lsp_server.context.query import LINES_CHARACTERS, Place

_LAST_WORD = re.compile(r"\w+\Z")


def no_cut_end(text: str, place: Place) -> str:
    """`text`, which its writer did not bring to an end, without its last line; a single line without its last word.

    A word that stands elsewhere near the cursor is a whole one, and may stay.
    """
    head, newline, _ = text.rpartition("\n")
    if head.strip():
        return head
    found = _LAST_WORD.search(text)
    if found is None or _is_known(found[0], place, text[: found.start()]):
        return text
    return text[: found.start()]


def _is_known(word: str, place: Place, written: str) -> bool:
    whole = re.compile(rf"\b{re.escape(word)}\b")
    near = (place.before[-LINES_CHARACTERS:], place.after[:LINES_CHARACTERS], written)
    return any(whole.search(text) for text in near)
