"""New lines are indented by what the file is indented by: tabs, or so many spaces."""

from __future__ import annotations

from lsp_server.context.query import Place
from lsp_server.postprocess.indentation import DEFAULT_STEP, indent, opens_block, step_of, width


def file_indent(text: str, place: Place) -> str:
    """`text` with the blanks at the beginning of its lines as the file has them."""
    file_step = step_of(place)
    if file_step is None or place.surroundings != "code":
        return text
    lines = text.split("\n")
    start = 1 if place.line_before.strip() else 0
    written_step = _step_written(place.line_before + lines[0], lines[1:], place.language) or len(
        file_step.expandtabs(DEFAULT_STEP)
    )
    head = width(place.line_before)
    converted = [_converted(line, file_step, written_step, head if n else 0) for n, line in enumerate(lines)]
    return "\n".join([*lines[:start], *converted[start:]])


def _step_written(opener: str, lines: list[str], language: str) -> int | None:
    """How much deeper, in columns, the first block of the text is than the line that opens it."""
    for line in lines:
        if line.strip():
            if opens_block(opener, language) and width(line) > width(opener):
                return width(line) - width(opener)
            opener = line
    return None


def _converted(line: str, step: str, written_step: int, base: int) -> str:
    """`line` with its blanks beyond `base` columns in steps of the file; odd ones are left as they are."""
    columns = width(line)
    if not line.strip() or (step == "\t" and set(indent(line)) <= {"\t"}):
        return line
    size = len(step.expandtabs(DEFAULT_STEP))
    if columns > base and (columns - base) % written_step == 0:
        columns = base + (columns - base) // written_step * size
    if step == "\t":
        levels, rest = divmod(columns, size)
        blanks = "\t" * levels + " " * rest
    else:
        blanks = " " * columns
    return blanks + line.lstrip(" \t")
