"""What the sampler answered lately in each document: typed through, it costs nothing."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from lsp_server.context import unix_lines
from lsp_server.record import Inference, Source
from lsp_server.silence import Query

MAX_ANSWERS = 4
"""Of one document: what is on screen, what was prepared to follow it, and what a deleted character leads back to."""


class Fill(NamedTuple):
    """What may be shown, and how sure the model is of it, 0 to 1."""

    text: str
    confidence: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """An answer: `fills` at `offset` of `text`, best first; none where there is nothing to suggest."""

    text: str
    offset: int
    fills: tuple[Fill, ...]
    inference: Inference
    source: Source = "memory"

    def rest(self, text: str, offset: int) -> tuple[Fill, ...] | None:
        """What is left of the fills in `text`, which differs by what was typed up to `offset`; None where the answer
        does not hold.
        """
        if not self._surrounds(text, offset):
            return None
        typed = unix_lines(text[self.offset : offset])
        if not typed:
            return self.fills
        return tuple(self._after(typed)) or None

    def _after(self, typed: str) -> Iterator[Fill]:
        for fill in self.fills:
            if fill.text.startswith(typed) and fill.text != typed:
                yield Fill(fill.text[len(typed) :], fill.confidence)

    def _surrounds(self, text: str, offset: int) -> bool:
        return (
            offset >= self.offset
            and len(text) - offset == len(self.text) - self.offset
            and text.startswith(self.text[: self.offset])
            and text.endswith(self.text[self.offset :])
        )


class Memory:
    """The last answers of each document."""

    def __init__(self) -> None:
        self._answers: defaultdict[str, deque[Remembered]] = defaultdict(partial(deque, maxlen=MAX_ANSWERS))

    def keep(self, uri: str, answer: Remembered) -> None:
        """Remember an answer, unless there was no time for one."""
        if answer.fills or all(candidate.finish != "deadline" for candidate in answer.inference.result.candidates):
            self._answers[uri].append(answer)

    def find(self, query: Query) -> tuple[Remembered, tuple[Fill, ...]] | None:
        """The newest answer that holds for the query, and what is left of its fills there.

        One that was asked for fewer candidates than are wanted now does not count.
        """
        snapshot = query.snapshot
        for answer in reversed(self._answers.get(snapshot.uri, ())):
            enough = query.n_candidates <= answer.inference.request.n_candidates
            if enough and (left := answer.rest(snapshot.text, query.offset)) is not None:
                return answer, left
        return None

    def forget(self, uri: str) -> None:
        """Drop what is known of a document."""
        self._answers.pop(uri, None)

    def clear(self) -> None:
        """Drop everything."""
        self._answers.clear()
