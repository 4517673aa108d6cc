"""Selection and instruction → request; answer → the smallest changes of the document. Pure: no protocol, no sampler.

A selection is widened to whole lines, which is what models rewrite; what was added to it is locked. The model sees
lines that end at "\\n"; lines that it leaves alone keep their own line ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate, chain, zip_longest
from os.path import commonprefix
from typing import Any, NamedTuple

from lsp_server.workspace.documents import without_halves
from sampler.protocol.messages import InfillRequest
from sampler.text.line_ends import own_lines, unix_lines
from sampler.text.rewriting import Around, edit_request, merged

_LINE_END = re.compile(r"[\r\n]")
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


class Replacement(NamedTuple):
    """Characters `start` to `end` of a document become `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Whole lines of a text, the last line end left out, and what of them a person selected."""

    text: str
    start: int
    end: int
    chosen: tuple[int, int]
    kept: tuple[tuple[int, int], ...] = ()
    """What of the text is to stay as it is, although it is selected."""

    @property
    def locks(self) -> tuple[tuple[int, int], ...]:
        """The stretches that were not selected or are to stay, in characters of `lines`."""
        stretches = ((self.start, self.chosen[0]), *self.kept, (self.chosen[1], self.end))
        inside = [(max(start, self.start), min(end, self.end)) for start, end in stretches]
        seen_in = [(self._n_seen(start), self._n_seen(end)) for start, end in inside if start < end]
        return merged(seen_in)

    def _n_seen(self, offset: int) -> int:
        """How many characters of `lines` stand before a character of the text."""
        return len(seen(self.text[self.start : offset]))

    @property
    def lines(self) -> str:
        """The lines as the model sees them."""
        return seen(self.text[self.start : self.end])

    @property
    def around(self) -> Around:
        """What stands before and behind the lines, as the model sees it."""
        return seen(self.text[: self.start]), seen(self.text[self.end :])


def select(text: str, start: int, end: int) -> Selection:
    """The lines that characters `start` to `end` touch; an empty selection stands for its whole line.

    A line whose first character is not selected any more does not count.
    """
    if end > start and text[end - 1] == "\n":
        end -= 2 if text[end - 2 : end] == "\r\n" and end - 2 >= start else 1
    first = text.rfind("\n", 0, start) + 1
    last = _line_end(text, max(start, end))
    return Selection(text, first, last, (start, end) if start < end else (first, last))


def rewrite_request(selection: Selection, instruction: str, *, document: str, **options: Any) -> InfillRequest:
    """The request; raises sampler.text.rewriting.Refusal where the selection is too long."""
    before, after = selection.around
    return edit_request(
        before, selection.lines, after, instruction, document=document, locks=selection.locks, **options
    )


def replacements(selection: Selection, new: str) -> list[Replacement]:
    """The smallest changes that make of the selection what the model wrote, in order and apart from each other.

    `new` holds whole lines, the locked stretches among them, as `sampler.text.rewriting.rewritten` gives them.
    """
    text, (start, end) = selection.text, selection.chosen
    head, tail = (seen(text[a:b]) for a, b in ((selection.start, start), (end, selection.end)))
    raw, fresh = _LINES.findall(text[start:end]), _LINES.findall(new[len(head) : len(new) - len(tail)])
    offsets = [*accumulate(map(len, raw), initial=start)]
    found = []
    for tag, i, j, a, b in SequenceMatcher(None, [*map(seen, raw)], fresh, autojunk=False).get_opcodes():
        if tag != "equal":
            replaced = "".join(raw[i:j])
            model = replaced if _LINE_END.search(replaced) else text
            found.append(_trimmed(text, offsets[i], offsets[j], own_lines("".join(fresh[a:b]), model)))
    return [change for change in found if change.text or change.start < change.end]


def applied(text: str, changes: Sequence[Replacement]) -> str:
    """`text` after changes that are in order and apart from each other."""
    kept = zip(
        [0, *(change.end for change in changes)], [*(change.start for change in changes), len(text)], strict=True
    )
    pieces = [text[start:end] for start, end in kept]
    return "".join(chain.from_iterable(zip_longest(pieces, [change.text for change in changes], fillvalue="")))


def _trimmed(text: str, start: int, end: int, written: str) -> Replacement:
    """Without what both begin and end with; never cut inside a line end, where no position points."""
    old = text[start:end]
    n_same = len(commonprefix([old, written]))
    while n_same and _splits(text, start + n_same):
        n_same -= 1
    start, old, written = start + n_same, old[n_same:], written[n_same:]
    n_same = len(commonprefix([old[::-1], written[::-1]]))
    while n_same and _splits(text, end - n_same):
        n_same -= 1
    return Replacement(start, end - n_same, written[: len(written) - n_same])


def _splits(text: str, offset: int) -> bool:
    return text[offset - 1 : offset + 1] == "\r\n"


def _line_end(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    if end < 0:
        return len(text)
    return end - 1 if end > offset and text[end - 1] == "\r" else end


def seen(text: str) -> str:
    """What the model can be shown: lines end at "\n", and a lone surrogate, which UTF-8 has no form for, is U+FFFD."""
    return without_halves(unix_lines(text))
