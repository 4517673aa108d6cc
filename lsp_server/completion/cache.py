"""What the sampler answered lately in each document: typed through, it costs nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lsp_server.completion.certainty import ends_of, ends_within, worth_showing
from lsp_server.completion.record import Inference, Source
from lsp_server.context.query import Place, Query
from lsp_server.postprocess import Verdict
from lsp_server.postprocess.brackets import CLOSER_OF, OPENER_OF
from lsp_server.postprocess.no_overlap import no_overlap
from sampler.protocol.messages import Candidate, End
from sampler.text.lexing import tokens
from sampler.text.line_ends import unix_lines

MAX_ANSWERS = 4
"""Of one document: what is on screen, what was prepared to follow it, and what a deleted character leads back to."""


class Fill(NamedTuple):
    """What may be shown, and where it could end, the last time at its own end."""

    text: str
    ends: tuple[End, ...]

    def part(self, floor: float) -> Fill:
        """As much of it as is worth showing where that is to be as sure as `floor`; it may still be less sure."""
        return self.between(0, worth_showing(self.text, self.ends, floor).characters)

    @property
    def certainty(self) -> float:
        """How likely it is right as a whole, 0 to 1."""
        return self.ends[-1].certainty

    def between(self, start: int, stop: int) -> Fill:
        """A stretch of it: who has typed what stands before has made it likelier."""
        return Fill(self.text[start:stop], ends_within(self.ends, start, stop))


def shown_of(candidate: Candidate, verdict: Verdict, place: Place) -> Fill:
    """What the filters left of a candidate, and where it may end: not with what already stands behind the cursor.

    Where they changed more than its beginning and end nothing is known of its parts, and of the whole what its length
    lets one expect.
    """
    ends, written, shown = ends_of(candidate), verdict.written, verdict.shown
    start = written.find(shown)
    if start < 0:
        share = min(len(shown) / len(written), 1.0)
        return Fill(shown, (End(characters=len(shown), certainty=ends[-1].certainty ** share),))
    *inside, last = Fill(written, ends).between(start, start + len(shown)).ends
    parts = [(end, shown[: end.characters]) for end in inside]
    return Fill(shown, (*(end for end, part in parts if no_overlap(part, place) == part), last))


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer: `fills` at `offset` of `text`, best first; none where there is nothing to suggest."""

    text: str
    offset: int
    fills: tuple[Fill, ...]
    inference: Inference
    source: Source = "memory"

    def rest(self, text: str, offset: int, language: str) -> tuple[Fill, ...] | None:
        """What is left of the fills in `text`, which differs by what was typed up to `offset`; None where the answer
        does not hold.

        Brackets and quotes that the editor has closed by itself behind the cursor are no difference: a fill goes up
        to them.
        """
        end = len(text) - (len(self.text) - self.offset)
        if not self.offset <= offset <= end or not self._surrounds(text):
            return None
        typed, closed = unix_lines(text[self.offset : offset]), text[offset:end]
        if not typed and not closed:
            return self.fills
        if closed and closed != still_open(typed, language):
            return None
        return tuple(self._after(typed, closed, language)) or None

    def _after(self, typed: str, closed: str, language: str) -> Iterator[Fill]:
        for fill in self.fills:
            rest = fill.text.removeprefix(typed) if fill.text.startswith(typed) else ""
            if rest := up_to(closed, rest, language):
                yield fill.between(len(typed), len(typed) + len(rest))

    def _surrounds(self, text: str) -> bool:
        return text.startswith(self.text[: self.offset]) and text.endswith(self.text[self.offset :])


def still_open(text: str, language: str) -> str:
    """What closes the brackets and the quote that `text` has opened, the innermost first."""
    closers = ""
    for token in tokens(text, language):
        if token.opened in CLOSER_OF:
            closers = CLOSER_OF[token.opened] + closers
        elif token.kind == "code":
            closers = closers.removeprefix(token.opened)
        elif token.closed is None and token.end == len(text):
            return token.opened + closers
    return closers


def up_to(closers: str, text: str, language: str) -> str:
    """`text` up to the first of the `closers` that surround it; nothing where it does not come to that."""
    if not closers:
        return text
    opener = OPENER_OF.get(closers[0], closers[0])
    depth = 0
    for token in tokens(opener + text, language):
        if token.kind != "code" and token.start == 0:
            return text[: token.end - 2] if token.closed else ""
        if token.kind == "code":
            depth += 1 if token.opened in CLOSER_OF else -1
        if depth == 0:
            return text[: token.start - 1]
    return ""


class Cache:
    """The last answers of one document."""

    def __init__(self) -> None:
        self._answers: deque[Answer] = deque(maxlen=MAX_ANSWERS)

    def keep(self, answer: Answer) -> None:
        """Add an answer, unless there was no time for one."""
        if answer.fills or all(candidate.finish != "deadline" for candidate in answer.inference.result.candidates):
            self._answers.append(answer)

    def find(self, query: Query, *, types_through: bool = True) -> tuple[Answer, tuple[Fill, ...]] | None:
        """The newest answer that holds for the query, and what is left of its fills there.

        One that was asked for fewer candidates than are wanted now does not count. One that is not sure enough to be
        shown holds only where it was asked for, as all do unless one `types_through`: whoever types on as it says is
        better served by asking again.
        """
        snapshot = query.snapshot
        for answer in reversed(self._answers):
            enough = query.n_candidates <= answer.inference.request.n_candidates
            left = answer.rest(snapshot.text, query.offset, snapshot.language) if enough else None
            is_here = query.offset == answer.offset
            if left is not None and (is_here or (types_through and _is_sure(left, query.confidence_floor))):
                return answer, left
        return None

    def clear(self) -> None:
        """Drop everything."""
        self._answers.clear()


def _is_sure(fills: tuple[Fill, ...], floor: float) -> bool:
    return any(fill.part(floor).certainty >= floor for fill in fills)
