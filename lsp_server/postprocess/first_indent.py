"""A line that the editor has indented is not indented again."""

from __future__ import annotations

from lsp_server.context.query import Place
from lsp_server.postprocess.indentation import DEFAULT_STEP, indent, last_line_above, opens_block, step_of, width


def first_indent(text: str, place: Place) -> str:
    """`text` with no more blanks at its beginning than bring the cursor's blank line to where code may stand.

    Lines below the first are moved along where they were written relative to it.
    """
    lead = indent(text)
    if not lead or place.line_before.strip() or place.inside_line or not text.strip():
        return text
    excess = min(width(place.line_before) + width(lead) - _deepest(place), width(lead))
    if excess <= 0:
        return text
    first, *others = text.split("\n")
    written_at = width(place.line_before) + width(lead)
    if all(width(line) >= written_at for line in others if line.strip()):
        others = [line[min(excess, len(indent(line))) :] for line in others]
    return "\n".join([_without(first, excess), *others])


def _deepest(place: Place) -> int:
    """The greatest width at which a line may begin here."""
    above = last_line_above(place)
    one_step = width(step_of(place) or " " * DEFAULT_STEP)
    return width(above) + (one_step if opens_block(above, place.language) else 0)


def _without(line: str, columns: int) -> str:
    return " " * (width(line) - columns) + line.lstrip(" \t")
