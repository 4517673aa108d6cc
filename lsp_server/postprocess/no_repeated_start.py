"""What stands before the cursor is not written a second time."""

from __future__ import annotations

import re

from lsp_server.context.query import Place

MIN_LINE = 3
"""Characters of a line's beginning that are no chance when they come again."""

MIN_WORD = 3
"""Likewise of a word's; shorter ones are looked up among the document's words."""

LONGEST_WORD = 100
_WORD_END = re.compile(r"\w+\Z")
_WORD_START = re.compile(r"\w+")
_NEAR = 8000
"""Characters around the cursor whose words are known."""


def no_repeated_start(text: str, place: Place) -> str:
    """`text` without the beginning of the cursor's line, or of its word, that it begins with."""
    line = place.line_before.lstrip()
    if len(line.rstrip()) >= MIN_LINE and _WORD_START.search(line) and text.lstrip().startswith(line):
        return text.lstrip()[len(line) :]
    word = _WORD_END.search(place.line_before[-LONGEST_WORD:])
    if word and text.startswith(word[0]) and _is_repeated(word[0], text, place):
        return text[len(word[0]) :]
    return text


def _is_repeated(word: str, text: str, place: Place) -> bool:
    """Whether the first word of `text` is meant as a whole, and not as the rest of `word`."""
    first = _WORD_START.match(text)
    assert first
    near = place.before[-_NEAR : -len(word)] + place.after[:_NEAR]
    known = {found[0] for found in _WORD_START.finditer(near)}
    if word + first[0] in known:
        return False
    return first[0] in known or (len(word) >= MIN_WORD and first[0] != word)
