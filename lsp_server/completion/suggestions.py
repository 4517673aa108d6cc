"""From a cursor to the text that belongs there: remembered, prepared, asked for, superseded.

The last request of a document wins: a newer one cancels the older. While a person types what was suggested,
the rest comes from memory and the sampler is left alone; meanwhile what follows it is prepared.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
import uuid
from collections.abc import Callable
from typing import Protocol

from lsp_server.completion.cache import Fill, Memory, Remembered, shown_of
from lsp_server.completion.debounce import Pace
from lsp_server.completion.gate import gate
from lsp_server.completion.record import Inference, Record, Source, record_of
from lsp_server.context.context import infill_request
from lsp_server.context.query import Place, Query, place_at
from lsp_server.postprocess import FILTERS, Filter, Verdict, verdict
from lsp_server.process.clock import Clock, LoopClock
from lsp_server.workspace.folders import path_in_workspace
from sampler.protocol.messages import Candidate, InfillRequest, InfillResult, Snippet
from sampler.text.line_ends import newline_of, own_lines

logger = logging.getLogger(__name__)


class Sampler(Protocol):
    """What suggestions need of a sampler; cancelling the task cancels the request."""

    async def infill(self, request: InfillRequest) -> InfillResult:
        """Fill the spans of `request`; raises sampler.protocol.client.SamplerError."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """A request to the sampler on its way."""

    query: Query
    task: asyncio.Task[Remembered]

    def is_for(self, query: Query) -> bool:
        """Whether its answer will be the answer to `query`."""
        return self._text_up_to(query) == "" and query.n_candidates <= self.query.n_candidates

    def is_ahead_of(self, query: Query) -> bool:
        """Whether somebody at `query` may still come to where it is for by typing or by accepting."""
        return self._text_up_to(query) is not None

    def _text_up_to(self, query: Query) -> str | None:
        """What has to be inserted at `query` to come to its place; None where that is impossible."""
        mine, other = self.query.snapshot.text, query.snapshot.text
        here, there = query.offset, self.query.offset
        if here > there or mine[:here] != other[:here] or mine[there:] != other[here:]:
            return None
        return mine[here:there]


class Suggestions:
    """Suggestions for all documents of one client.

    `why_spare` says why work that nobody has asked for should be left undone, None where there is no reason;
    `snippets` gives what is shown of other files at a cursor and a time.
    """

    def __init__(
        self,
        sampler: Sampler,
        *,
        clock: Clock | None = None,
        why_spare: Callable[[], str | None] = lambda: None,
        snippets: Callable[[Query, float], tuple[Snippet, ...]] = lambda query, now: (),
    ) -> None:
        self.pace = Pace()
        self.memory = Memory()
        self.filters: tuple[Filter, ...] = FILTERS
        self.why_spare = why_spare
        self._sampler = sampler
        self._clock = clock or LoopClock()
        self._snippets = snippets
        self.client = uuid.uuid4().hex
        """Tells this server's documents from another's."""
        self._numbers = itertools.count(1)
        self._running: dict[str, Run] = {}
        self._preparing: dict[str, Run] = {}
        self._looked_ahead: dict[str, tuple[str, str]] = {}
        """For each document what was before and after the cursor where it was prepared for last."""

    async def suggest(self, query: Query) -> Record:
        """What is suggested, and how that came about; raises sampler.protocol.client.SamplerError."""
        start = self._clock.now()
        record = record_of(query, self._number())
        try:
            await self._suggest(query, record)
        finally:
            record.total_ms = (self._clock.now() - start) * 1000
        return record

    def forget(self, uri: str) -> None:
        """Drop what is known of a document, and the requests that run for it."""
        self._supersede(uri)
        self._drop_prepared(uri)
        self.memory.forget(uri)

    def forget_answers(self) -> None:
        """Drop what was answered so far: under other settings it might be answered otherwise."""
        self.memory.clear()
        self._looked_ahead.clear()

    async def cancel_all(self) -> None:
        """Cancel what runs for any document, and wait until the sampler has been told."""
        runs = [*self._running.values(), *self._preparing.values()]
        for uri in [*self._running, *self._preparing]:
            self._supersede(uri)
            self._drop_prepared(uri)
        await asyncio.gather(*(run.task for run in runs), return_exceptions=True)

    async def _suggest(self, query: Query, record: Record) -> None:
        uri = query.snapshot.uri
        self._supersede(uri)
        if reason := gate(query, self._clock.now()):
            self._drop_prepared(uri)
            record.end("silent", reason)
        elif found := self.memory.find(query):
            self._offer(query, record, *found, source=found[0].source)
        elif (answer := await self._last_wins(query, record)) is not None:
            self._offer(query, record, answer, answer.fills, source=record.source or "sampler")

    async def _last_wins(self, query: Query, record: Record) -> Remembered | None:
        """Ask, unless a newer query of the same document cancels this one; being cancelled oneself is passed on."""
        uri = query.snapshot.uri
        run = self._running[uri] = self._prepared(query, record) or self._ask(query, record)
        try:
            return await run.task
        except asyncio.CancelledError:
            if _this_task_is_cancelled():
                raise
            return None
        finally:
            if self._running.get(uri) is run:
                del self._running[uri]

    def _ask(self, query: Query, record: Record) -> Run:
        return Run(query, asyncio.create_task(self._after_a_wait(query, record)))

    def _prepared(self, query: Query, record: Record) -> Run | None:
        """What is being prepared, where that is what is wanted now; given up where it cannot be wanted any more."""
        run = self._preparing.get(query.snapshot.uri)
        if run is None or not run.is_for(query):
            if run is not None and not run.is_ahead_of(query):
                self._drop_prepared(query.snapshot.uri)
            return None
        del self._preparing[query.snapshot.uri]
        record.source = "prepared"
        return run

    async def _after_a_wait(self, query: Query, record: Record) -> Remembered:
        place = place_at(query.snapshot.text, query.offset, query.snapshot.language)
        if not query.invoked:
            wait = self._wait_s(query, place)
            record.debounce_ms = wait * 1000
            await self._clock.sleep(wait)
        return await self._infer(query, place, "memory")

    def _wait_s(self, query: Query, place: Place) -> float:
        own = query.settings.completion.debounce_ms
        return self.pace.wait_s(place.line_before, place.line_after) if own is None else own / 1000

    async def _infer(self, query: Query, place: Place, source: Source) -> Remembered:
        """Ask the sampler, filter its answer, remember it as to be had from `source`."""
        snapshot = query.snapshot
        started = self._clock.now()
        request = infill_request(
            snapshot,
            place,
            query.settings,
            client=self.client,
            path=path_in_workspace(query.path, query.folders),
            snippets=self._snippets(query, started) if query.settings.completion.snippets else (),
            by_hand=query.invoked,
        )
        request = dataclasses.replace(request, n_candidates=query.n_candidates)
        asked = self._clock.now()
        result = await self._sampler.infill(request)
        answered = self._clock.now()
        verdicts = tuple(self._verdict(candidate, place) for candidate in result.candidates)
        parts = {"context": asked - started, "sampler": answered - asked, "filters": self._clock.now() - answered}
        ms = {name: seconds * 1000 for name, seconds in parts.items()}
        inference = Inference(
            id=self._number(),
            request=request,
            result=result,
            verdicts=verdicts,
            ms={**ms, "service": result.ms, "load": result.load_ms},
        )
        fills = _fills(result, verdicts, place)
        answer = Remembered(text=snapshot.text, offset=query.offset, fills=fills, inference=inference, source=source)
        if not result.load_ms:
            self.pace.answered(answered - asked)
        self.memory.keep(snapshot.uri, answer)
        return answer

    def _verdict(self, candidate: Candidate, place: Place) -> Verdict:
        is_cut = candidate.finish in ("length", "deadline")
        return verdict(candidate.fills[0], place, self.filters, is_cut=is_cut)

    def _offer(
        self, query: Query, record: Record, answer: Remembered, fills: tuple[Fill, ...], *, source: Source
    ) -> None:
        """Show what is sure enough, and prepare what follows it."""
        record.source, record.inference = source, answer.inference
        floor = record.confidence_floor
        parts = fills if query.invoked else tuple(fill.part(floor) for fill in fills)
        texts = _worth_a_key(parts, fills, floor, is_new=query.offset == answer.offset)
        record.certainty = parts[0].certainty if parts else None
        if texts:
            record.end("shown", texts=texts)
            if query.settings.completion.speculative:
                self._prepare(query, texts[0], is_all=any(fill.text == texts[0] for fill in fills))
        else:
            record.end("silent", _why_nothing(answer, parts, floor))

    def _prepare(self, query: Query, text: str, *, is_all: bool) -> None:
        """Ask for what follows `text`, all of an answer or a part of it, as if it were accepted."""
        uri, accepted = query.snapshot.uri, _accepted(query, text)
        if self._looked_ahead.get(uri) == accepted:  # the same suggestion, with less of it left to type
            return
        self._drop_prepared(uri)
        self._looked_ahead[uri] = accepted
        following = _following(query, *accepted, is_all=is_all)
        if self.memory.find(following) is None and not self.why_spare():
            run = Run(following, asyncio.create_task(self._follow(following)))
            run.task.add_done_callback(lambda task: self._end_preparing(uri, run))
            self._preparing[uri] = run

    async def _follow(self, query: Query) -> Remembered:
        place = place_at(query.snapshot.text, query.offset, query.snapshot.language)
        return await self._infer(query, place, "prepared")

    def _end_preparing(self, uri: str, run: Run) -> None:
        """Nobody waits for it, so what went wrong is only noted: the request that needs it will meet it again."""
        if self._preparing.get(uri) is run:
            del self._preparing[uri]
        if not run.task.cancelled() and (error := run.task.exception()) is not None:
            logger.info("What was to follow could not be prepared: %s", error)

    def _supersede(self, uri: str) -> None:
        if run := self._running.pop(uri, None):
            run.task.cancel()

    def _drop_prepared(self, uri: str) -> None:
        self._looked_ahead.pop(uri, None)
        if run := self._preparing.pop(uri, None):
            run.task.cancel()

    def _number(self) -> str:
        return f"{self.client[:8]}-{next(self._numbers)}"


def _fills(result: InfillResult, verdicts: tuple[Verdict, ...], place: Place) -> tuple[Fill, ...]:
    """What the filters left of each candidate, best first, each text once."""
    fills: dict[str, Fill] = {}
    for candidate, one in zip(result.candidates, verdicts, strict=True):
        if one.shown:
            fills.setdefault(one.shown, shown_of(candidate, one, place))
    return tuple(fills.values())


def _accepted(query: Query, text: str) -> tuple[str, str]:
    """What stands before and after the cursor of somebody who has accepted `text`."""
    whole = query.snapshot.text
    return whole[: query.offset] + own_lines(text, whole), whole[query.offset :]


def _following(query: Query, before: str, after: str, *, is_all: bool) -> Query:
    """The query of somebody between `before` and `after`, who has begun a new line where `before` completes one."""
    place = place_at(before + after, len(before), query.snapshot.language)
    if is_all and place.one_line and not place.inside_line:
        before += newline_of(query.snapshot.text) + place.line_before[: -len(place.line_before.lstrip())]
    snapshot = dataclasses.replace(query.snapshot, text=before + after)
    return dataclasses.replace(query, snapshot=snapshot, offset=len(before), invoked=False, n_candidates=1)


def _worth_a_key(parts: tuple[Fill, ...], fills: tuple[Fill, ...], floor: float, *, is_new: bool) -> tuple[str, ...]:
    """The parts of fills that are sure enough; a single sign is where it is all, or what is left of more."""
    found = (
        part.text
        for part, fill in zip(parts, fills, strict=True)
        if part.certainty >= floor and (len(part.text.strip()) > 1 or part == fill or not is_new)
    )
    return tuple(dict.fromkeys(found))


def _why_nothing(answer: Remembered, fills: tuple[Fill, ...], floor: float) -> str:
    if fills and fills[0].certainty >= floor:
        return "The model was sure of a single sign only."
    if fills:
        return f"The model was not sure enough: {fills[0].certainty:.2f}, where {floor:.2f} is asked for."
    candidates = answer.inference.result.candidates
    if candidates and candidates[0].finish == "deadline" and not candidates[0].fills[0]:
        return "There was no time for an answer: completion.deadlineMs passed first."
    return next((one.reason for one in answer.inference.verdicts if one.reason), "The model wrote nothing.")


def _this_task_is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
