"""An instruction that stands in the code: `# seedfill: use literals` above the lines that it is about."""

from __future__ import annotations

import re
from typing import NamedTuple

COMMENT = re.compile(r"^([ \t]*)(?:#|//|--|;)[ \t]*seedfill:[ \t]*(\S.*?)[ \t]*$", re.IGNORECASE)

_MENTIONED = re.compile("seedfill:", re.IGNORECASE)
LONGEST = 1000
"""Characters of a line that holds an instruction."""


class Instruction(NamedTuple):
    """What is asked for. Characters `start` to `end` hold the comment with its line end, `end` to `last` the code."""

    text: str
    start: int
    end: int
    last: int


def instruction_at(text: str, start: int, end: int) -> Instruction | None:
    """The first instruction on the lines that characters `start` to `end` touch, with the statement below it.

    That is the next line and what is indented deeper. None where there is no instruction, or nothing below it.
    """
    at = text.rfind("\n", 0, start) + 1
    if not _MENTIONED.search(text, at, max(end, at) + LONGEST):
        return None
    while at <= end and at < len(text):
        line = text[at : _next_line(text, at)]
        if found := COMMENT.match(line.rstrip("\r\n")[:LONGEST]):
            first = at + len(line)
            last = _statement_end(text, first)
            return Instruction(found[2], at, first, last) if last > first else None
        at += len(line)
    return None


def _statement_end(text: str, start: int) -> int:
    """The end of the statement that begins on the line at `start`, its line end left out; `start` where it is blank."""
    first = text[start : _next_line(text, start)]
    indent, at, end, above = _indent(first), start + len(first), start + len(first.rstrip()), first
    while at < len(text) and end > start:
        line = text[at : _next_line(text, at)]
        if line.strip():
            if not _goes_on(line, indent, above):
                break
            end, above = at + len(line.rstrip()), line
        at += len(line)
    return end


def _goes_on(line: str, indent: int, above: str) -> bool:
    """Deeper lines do, closing brackets do, and so does what decorators stand above."""
    is_decorated = above.lstrip().startswith("@") and _indent(line) == indent
    return _indent(line) > indent or line.lstrip()[0] in ")]}" or is_decorated


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _next_line(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)
