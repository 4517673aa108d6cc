"""The lines of a block stand deeper than the line that opens it."""

from __future__ import annotations

from lsp_server.context.query import Place
from lsp_server.postprocess.indentation import DEFAULT_STEP, first_with_text, opens_block, step_of, width


def block_indent(text: str, place: Place) -> str:
    """`text` with its lines below the first moved deeper, where the first opens a block and they would leave it."""
    first, *others = text.split("\n")
    opener = place.line_before + first
    body = first_with_text(others)
    if body is None or not opens_block(opener, place.language, (":", "{")) or body.lstrip()[0] in ")]}":
        return text
    if place.surroundings != "code" or width(body) > width(opener):
        return text
    missing = " " * (width(opener) - width(body) + width(step_of(place) or " " * DEFAULT_STEP))
    end = next((n for n, line in enumerate(others) if _closes_block(line, opener)), len(others))
    moved = [missing + line if line.strip() else line for line in others[:end]]
    return "\n".join([first, *moved, *others[end:]])


def _closes_block(line: str, opener: str) -> bool:
    return line.lstrip().startswith("}") and width(line) <= width(opener)
