"""Open documents: line index, positions in three encodings, versions, changes.

A line ends at "\\r\\n", "\\n" or "\\r" and nowhere else, as the protocol says; `str.splitlines` also splits at
form feeds and U+2028 and would corrupt the buffer. Offsets count Python characters.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Encoding: TypeAlias = Literal["utf-8", "utf-16", "utf-32"]

PIECE = 4096
"""Characters of a line that are counted at once."""
_LINE_END = re.compile(r"\r\n|\n|\r")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_HALF = re.compile("[\ud800-\udfff]")
_CODECS: dict[Encoding, tuple[str, int]] = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2)}


class Position(NamedTuple):
    """A place between two characters: line and code units into it, both from 0."""

    line: int
    character: int


class Change(NamedTuple):
    """Text that replaces what stands from `start` to `end`, or the whole document where they are None."""

    text: str
    start: Position | None = None
    end: Position | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What a document was at one moment; later changes leave it alone."""

    uri: str
    language: str
    version: int
    text: str


class LineIndex:
    """The offset at which each line of a text starts.

    Starts from `_gap` on are stored without `_shift`, so that an edit moves only the starts between it and
    the edit before it: a keystroke costs the same in a document of any length.
    """

    def __init__(self, text: str) -> None:
        self._starts = [0, *(end.end() for end in _LINE_END.finditer(text))]
        self._gap = len(self._starts)
        self._shift = 0

    def __len__(self) -> int:
        return len(self._starts)

    def start(self, line: int) -> int:
        """The offset of the first character of `line`."""
        return self._starts[line] + (self._shift if line >= self._gap else 0)

    def line_at(self, offset: int) -> int:
        """The line that `offset` lies in."""
        return self._count_up_to(offset) - 1

    def replace(self, old: str, new: str, start: int, end: int) -> None:
        """Follow a change that turned `old` into `new` by replacing old[start:end].

        One character to each side is looked at again where it may join a "\\r" with a "\\n".
        """
        low = start - 1 if old[start - 1 : start] == "\r" else start
        high = end + 1 if old[end : end + 1] == "\n" else end
        growth = len(new) - len(old)
        first, last = self._count_up_to(low), self._count_up_to(high)
        self._move_gap(last)
        starts = [line_end.end() for line_end in _LINE_END.finditer(new, low, high + growth)]
        self._starts[first:last] = starts
        self._gap = first + len(starts)
        self._shift += growth

    def _count_up_to(self, offset: int) -> int:
        """How many lines start at or before `offset`."""
        return bisect_right(range(len(self)), offset, key=self.start)

    def _move_gap(self, line: int) -> None:
        low, high = sorted((self._gap, line))
        sign = 1 if line > self._gap else -1
        self._starts[low:high] = [start + sign * self._shift for start in self._starts[low:high]]
        self._gap = line


class Document:
    """One open buffer, as its client sees it."""

    def __init__(self, uri: str, language: str, version: int, text: str, encoding: Encoding) -> None:
        self.uri = uri
        self.language = language
        self.version = version
        self.text = text
        self._encoding: Encoding = encoding
        self._lines = LineIndex(text)

    def snapshot(self) -> Snapshot:
        """What it is now. Strings are immutable, so nothing is copied."""
        return Snapshot(uri=self.uri, language=self.language, version=self.version, text=self.text)

    def is_still(self, snapshot: Snapshot) -> bool:
        """Whether nothing changed since `snapshot` was taken."""
        return self.version == snapshot.version and self.text == snapshot.text

    def apply(self, changes: Iterable[Change], version: int) -> None:
        """Apply `changes` one after another; positions past an end mean that end."""
        for change in changes:
            if change.start is None or change.end is None:
                self._set_text(change.text)
            else:
                start, end = (self._cut(position) for position in sorted((change.start, change.end)))
                self._replace(start, end, change.text)
                self._join(start + len(change.text))
                self._join(start)
        self.version = version

    def offset(self, position: Position) -> int:
        """The character offset of `position`; inside a character it means the place before it."""
        if position.line >= len(self._lines):
            return len(self.text)
        start, end = self._span(max(position.line, 0))
        return start + _characters(self.text[start:end], position.character, self._encoding)

    def _cut(self, position: Position) -> int:
        """`offset`, for a change: inside of a surrogate pair the character is taken apart first.

        A client that counts in UTF-16 may change one half of a pair. Each half is a character here until both are
        there again, so that the buffer is the client's at every step.
        """
        at = self.offset(position)
        character = self.text[at : at + 1]
        if self._encoding != "utf-16" or character < "\U00010000" or self.position(at).character >= position.character:
            return at
        pair = character.encode("utf-16-le", "surrogatepass")
        halves = "".join(pair[i : i + 2].decode("utf-16-le", "surrogatepass") for i in (0, 2))
        self._replace(at, at + 1, halves)
        return at + 1

    def _join(self, at: int) -> None:
        """Make one character of the two halves of a pair that meet there."""
        if self._encoding != "utf-16":
            return
        halves = self.text[max(at - 1, 0) : at + 1]
        if _PAIR.fullmatch(halves):
            whole = halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
            self._replace(at - 1, at + 1, whole)

    def position(self, offset: int) -> Position:
        """The position of `offset`, in the units that the client counts in."""
        line = self._lines.line_at(offset)
        start, end = self._span(line)
        return Position(line, _units(self.text[start : min(offset, end)], self._encoding))

    def _span(self, line: int) -> tuple[int, int]:
        """Where `line` starts and ends, its line end left out."""
        start = self._lines.start(line)
        if line + 1 == len(self._lines):
            return start, len(self.text)
        end = self._lines.start(line + 1)
        return start, end - (2 if self.text.startswith("\r\n", max(start, end - 2)) else 1)

    def _replace(self, start: int, end: int, text: str) -> None:
        old = self.text
        self.text = old[:start] + text + old[end:]
        self._lines.replace(old, self.text, start, end)

    def _set_text(self, text: str) -> None:
        self.text = text
        self._lines = LineIndex(text)


def without_halves(text: str) -> str:
    """`text` with U+FFFD for each lone surrogate, which UTF-8 has no form for; offsets stay what they are."""
    return text if text.isascii() else _HALF.sub("\ufffd", text)


def _units(text: str, encoding: Encoding) -> int:
    """How many code units `text` takes."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    codec, bytes_per_unit = _CODECS[encoding]
    return len(text.encode(codec, "surrogatepass")) // bytes_per_unit


def _characters(line: str, units: int, encoding: Encoding) -> int:
    """How many whole characters of `line` fit into `units` code units."""
    most = max(min(units, len(line)), 0)
    if encoding == "utf-32" or line.isascii():
        return most
    at = 0
    while at < most and units >= (n := _units(piece := line[at : at + PIECE], encoding)):
        at, units = at + len(piece), units - n
    rest = line[at : min(at + PIECE, most)]
    return at + bisect_right(range(1, len(rest) + 1), units, key=lambda count: _units(rest[:count], encoding))
