"""A suggestion does not leave the block that it begins in."""

from __future__ import annotations

from lsp_server.context.query import Place
from lsp_server.postprocess.indentation import width
from sampler.text.syntax import Syntax


def end_of_block(text: str, place: Place) -> str:
    """`text` up to the end of its block; at the outermost level, up to the first blank line after a statement."""
    if place.syntax is None:
        return _while_indented(text, place)
    end = _end(text, place, place.syntax) if place.surroundings == "code" else None
    return text[:end] if text[end:].strip() else text


def _end(text: str, place: Place, syntax: Syntax) -> int | None:
    parsed = syntax.inserted(text)
    if parsed.block_end is not None or parsed.statement_end is None or width(place.line_before + text.lstrip("\n")):
        return parsed.block_end
    blank = text.find("\n\n", parsed.statement_end)
    return None if blank < 0 else blank


def _while_indented(text: str, place: Place) -> str:
    """Without a grammar: up to the first line that stands further left than the cursor's."""
    first, *others = text.split("\n")
    least = width(place.line_before + first)
    n = next((n for n, line in enumerate(others) if line.strip() and width(line) < least), len(others))
    return "\n".join([first, *others[:n]])
