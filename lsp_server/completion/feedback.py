"""What becomes of suggestions: which were shown and accepted, and how much of an accepted one is still there later."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from lsp_server.completion.record import Record, Texts
from lsp_server.completion.statistics import Statistics
from lsp_server.process.clock import Clock
from lsp_server.workspace.documents import Change, Document
from sampler.text.line_ends import own_lines

RETENTION_S = 30.0
MAX_SHOWN = 100
"""Suggestions that can still be accepted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What was offered of an answer, and where in its document."""

    inference: str
    uri: str
    language: str
    offset: int
    texts: Texts


@dataclass(kw_only=True, slots=True)
class Kept:
    """An accepted text in its document, as later changes leave it: `kept` of its `length` characters."""

    text: str
    start: int
    end: int
    kept: int

    @property
    def length(self) -> int:
        """Of what was accepted."""
        return len(self.text)

    def follow(self, start: int, end: int, n_new: int) -> None:
        """The document's characters from `start` to `end` were replaced by `n_new` others."""
        growth = n_new - (end - start)
        if end <= self.start:
            self.start, self.end = self.start + growth, self.end + growth
        elif start < self.end:
            self.kept = max(self.kept - (min(end, self.end) - max(start, self.start)), 0)
            self.start, self.end = min(self.start, start), max(self.end, end) + growth

    def find_again(self, text: str) -> None:
        """The whole document was replaced by `text`."""
        start = text.find(self.text)
        self.start, self.kept = (0, 0) if start < 0 else (start, self.length)
        self.end = self.start + self.kept


class Feedback:
    """Follows the suggestions of one window and has them counted."""

    def __init__(self, statistics: Statistics, clock: Clock) -> None:
        self._statistics = statistics
        self._clock = clock
        self._shown: OrderedDict[str, Shown] = OrderedDict()
        self._kept: dict[str, list[Kept]] = {}
        self._waiting: set[asyncio.Task[None]] = set()

    def shown(self, record: Record) -> None:
        """A suggestion was sent to be shown; what is left of one by typing counts as the same one."""
        outcome = record.outcome
        if outcome.inference is None or not outcome.texts:
            return
        inference = outcome.inference.id
        if all(shown.inference != inference for shown in self._shown.values()):
            self._statistics.note(
                "shown", language=record.language, ms=round(outcome.total_ms, 3), chars=len(outcome.texts[0])
            )
        self._shown[record.offer] = Shown(
            inference=inference, uri=record.uri, language=record.language, offset=record.offset, texts=outcome.texts
        )
        self._shown.move_to_end(record.offer)
        while len(self._shown) > MAX_SHOWN:
            self._shown.popitem(last=False)

    def accepted(self, offer: str, number: int, documents: Mapping[str, Document]) -> None:
        """The client has inserted text `number` of an offer into its document; told twice it counts once.

        What comes of the same answer behind it is another suggestion.
        """
        shown = self._shown.pop(offer, None)
        if shown is None or not 0 <= number < len(shown.texts):
            return
        for other, one in list(self._shown.items()):
            if one.inference == shown.inference and one.offset <= shown.offset:
                del self._shown[other]
        text = shown.texts[number]
        self._statistics.note("accepted", language=shown.language, chars=len(text))
        if (document := documents.get(shown.uri)) is None:
            return
        ways = (own_lines(text, document.text), text, text.replace("\n", "\r\n"))
        own = next((way for way in ways if document.text.startswith(way, shown.offset)), None)
        if own is not None:
            kept = Kept(text=own, start=shown.offset, end=shown.offset + len(own), kept=len(own))
            self._kept.setdefault(shown.uri, []).append(kept)
            task = asyncio.create_task(self._look_later(shown.uri, kept))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    def follow(self, document: Document, change: Change) -> None:
        """`change` is about to be applied to `document`."""
        for kept in self._kept.get(document.uri, ()):
            if change.start is None or change.end is None:
                kept.find_again(change.text)
            else:
                start, end = sorted((document.offset(change.start), document.offset(change.end)))
                kept.follow(start, end, len(change.text))

    def forget(self, uri: str) -> None:
        """The document is closed: what became of its text cannot be seen any more."""
        self._kept.pop(uri, None)

    def close(self) -> None:
        """Wait for nothing any more."""
        for task in self._waiting:
            task.cancel()

    async def _look_later(self, uri: str, kept: Kept) -> None:
        await self._clock.sleep(RETENTION_S)
        if kept in self._kept.get(uri, ()):
            self._kept[uri].remove(kept)
            self._statistics.note("kept", chars=kept.length, kept=kept.kept)
