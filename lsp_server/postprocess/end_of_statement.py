"""A suggestion in the middle of a statement ends with that statement."""

from __future__ import annotations

import re

from lsp_server.context.query import Place
from sampler.text.lexing import comment_signs


def end_of_statement(text: str, place: Place) -> str:
    """`text` up to the end of the statement that the cursor's line has begun, with a comment behind it."""
    if place.syntax is None or not place.line_before.strip() or place.surroundings != "code":
        return text
    parsed = place.syntax.inserted(text)
    end = parsed.statement_end
    if end is None or parsed.opens_block or not text[end:].strip():
        return text
    rest = text[end:].partition("\n")[0]
    signs = comment_signs(place.language)
    return text[:end] + (rest if signs and re.match(rf"\s*(?:{signs})", rest) else "")
