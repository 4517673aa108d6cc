"""Bytes that made no character, and control characters, are no text."""

from __future__ import annotations

import re

from lsp_server.context.query import Place
from sampler.text.line_ends import unix_lines

_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffd\ufeff\ud800-\udfff]")


def no_odd_characters(text: str, place: Place) -> str:
    """`text` with "\\n" for every kind of line end, up to the first character that nobody types."""
    text = unix_lines(text)
    odd = _ODD.search(text)
    return text[: odd.start()] if odd else text
