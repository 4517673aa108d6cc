"""From a cursor to the text that belongs there: typed through, asked for, superseded.

The last request of a document wins: a newer one cancels the older. While a person types what was suggested,
the rest comes from memory and the sampler is left alone.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import dataclass
from pathlib import PurePath
from typing import Protocol, TypeAlias

from lsp_server.clock import Clock, LoopClock
from lsp_server.context import infill_request, path_in_workspace, place_at, unix_lines
from lsp_server.documents import Snapshot
from lsp_server.postprocess import postprocess
from lsp_server.privacy import refusal
from lsp_server.settings import Settings
from sampler.messages import InfillRequest, InfillResult

logger = logging.getLogger(__name__)

Texts: TypeAlias = tuple[str, ...]


class Sampler(Protocol):
    """What suggestions need of a sampler; cancelling the task cancels the request."""

    async def infill(self, request: InfillRequest) -> InfillResult:
        """Fill the spans of `request`; raises sampler.client.SamplerError."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A cursor in a document: where to suggest, and under which settings."""

    snapshot: Snapshot
    offset: int
    settings: Settings
    path: PurePath
    """Of the document's file."""
    folders: tuple[PurePath, ...] = ()
    """Of the workspace."""
    invoked: bool = False
    """Asked for by hand: answered without delay and in any language."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """What was suggested last in a document, and where."""

    text: str
    offset: int
    fills: Texts

    def rest(self, text: str, offset: int) -> Texts:
        """What is left of the fills in `text`, which differs by what was typed up to `offset`."""
        typed = unix_lines(text[self.offset : offset])
        rests = tuple(fill[len(typed) :] for fill in self.fills if fill.startswith(typed) and fill != typed)
        return rests if rests and self._surrounds(text, offset) else ()

    def _surrounds(self, text: str, offset: int) -> bool:
        return (
            offset >= self.offset
            and len(text) - offset == len(self.text) - self.offset
            and text.startswith(self.text[: self.offset])
            and text.endswith(self.text[self.offset :])
        )


class Suggestions:
    """Suggestions for all documents of one client."""

    def __init__(self, sampler: Sampler, *, clock: Clock | None = None) -> None:
        self._sampler = sampler
        self._clock = clock or LoopClock()
        self._client = uuid.uuid4().hex
        self._remembered: dict[str, Remembered] = {}
        self._running: dict[str, asyncio.Task[Texts]] = {}

    async def suggest(self, query: Query) -> Texts:
        """Texts to insert, best first; empty when there is none or a newer query came in between."""
        self._supersede(query.snapshot.uri)
        if reason := silence(query):
            logger.debug("No suggestion: %s", reason)
            return ()
        return self._typed_through(query) or await self._last_wins(query)

    def forget(self, uri: str) -> None:
        """Drop what is known of a document, and the request that runs for it."""
        self._supersede(uri)
        self._remembered.pop(uri, None)

    async def cancel_all(self) -> None:
        """Cancel what runs for any document, and wait until the sampler has been told."""
        running = list(self._running.values())
        for uri in list(self._running):
            self._supersede(uri)
        await asyncio.gather(*running, return_exceptions=True)

    def _supersede(self, uri: str) -> None:
        if running := self._running.pop(uri, None):
            running.cancel()

    def _typed_through(self, query: Query) -> Texts:
        remembered = self._remembered.get(query.snapshot.uri)
        return remembered.rest(query.snapshot.text, query.offset) if remembered else ()

    async def _last_wins(self, query: Query) -> Texts:
        """Ask, unless a newer query of the same document cancels this one; being cancelled oneself is passed on."""
        uri = query.snapshot.uri
        running = self._running[uri] = asyncio.create_task(self._ask(query))
        try:
            return await running
        except asyncio.CancelledError:
            if _this_task_is_cancelled():
                raise
            return ()
        finally:
            if self._running.get(uri) is running:
                del self._running[uri]

    async def _ask(self, query: Query) -> Texts:
        if not query.invoked:
            await self._clock.sleep(query.settings.completion.debounce_ms / 1000)
        snapshot, offset = query.snapshot, query.offset
        place = place_at(snapshot.text, offset)
        path = path_in_workspace(query.path, query.folders)
        request = infill_request(snapshot, place, query.settings, client=self._client, path=path)
        result = await self._sampler.infill(request)
        fills = (postprocess(candidate.fills[0], place) for candidate in result.candidates)
        texts = tuple(dict.fromkeys(filter(None, fills)))
        if texts:
            self._remembered[snapshot.uri] = Remembered(text=snapshot.text, offset=offset, fills=texts)
        return texts


def silence(query: Query) -> str | None:
    """Why nothing is suggested here, in one sentence, or None; secrets stay private even when asked by hand."""
    if reason := refusal(query.path, len(query.snapshot.text)):
        return reason
    completion, language = query.settings.completion, query.snapshot.language
    if query.invoked:
        return None
    if not completion.enabled:
        return "Suggestions are switched off."
    if not {"*", language}.intersection(completion.languages):
        return f"Suggestions are not switched on for {language!r}."
    return None


def _this_task_is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
