"""From a cursor to the text that belongs there: cached, prepared, asked for, superseded.

The last request of a document wins: a newer one cancels the older. While a person types what was suggested,
the rest comes from the cache and the sampler is left alone; meanwhile what follows it is prepared.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

from lsp_server.completion.cache import Answer, Fill, shown_of
from lsp_server.completion.debounce import Debounce
from lsp_server.completion.gate import gate
from lsp_server.completion.record import SUPERSEDED, Inference, Outcome, Source
from lsp_server.completion.state import DocumentState, Reply, Run
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
        self.debounce = Debounce()
        self.filters: tuple[Filter, ...] = FILTERS
        self.types_through = True
        """Whether answers hold also where more was typed of them."""
        self.why_spare = why_spare
        self._sampler = sampler
        self._clock = clock or LoopClock()
        self._snippets = snippets
        self.client = uuid.uuid4().hex
        """Tells this server's documents from another's."""
        self._numbers = itertools.count(1)
        self._states: defaultdict[str, DocumentState] = defaultdict(DocumentState)

    async def suggest(self, query: Query) -> Outcome:
        """What is suggested, and how that came about; raises sampler.protocol.client.SamplerError."""
        start = self._clock.now()
        outcome = await self._outcome(query, self._states[query.snapshot.uri])
        return dataclasses.replace(outcome, total_ms=(self._clock.now() - start) * 1000)

    def forget(self, uri: str) -> None:
        """Drop what is known of a document, and the requests that run for it."""
        if state := self._states.pop(uri, None):
            state.cancel()

    def forget_answers(self) -> None:
        """Drop what was answered so far: under other settings it might be answered otherwise."""
        for state in self._states.values():
            state.cache.clear()
            state.prepared_for = None

    async def cancel_all(self) -> None:
        """Cancel what runs for any document, and wait until the sampler has been told."""
        runs = [run for state in self._states.values() for run in state.runs]
        for state in self._states.values():
            state.cancel()
        await asyncio.gather(*(run.task for run in runs), return_exceptions=True)

    async def _outcome(self, query: Query, state: DocumentState) -> Outcome:
        """What is sure enough to be shown; what follows it is prepared."""
        state.supersede()
        if reason := gate(query, self._clock.now()):
            state.drop_prepared()
            return Outcome(kind="silent", reason=reason)
        reply = self._cached(query, state) or await self._last_wins(query, state)
        if reply is None or self._states.get(query.snapshot.uri) is not state:  # a newer query, or the document closed
            return SUPERSEDED
        outcome = _offer(query, reply)
        if outcome.texts and query.settings.completion.speculative:
            text = outcome.texts[0]
            self._prepare(query, state, text, is_all=any(fill.text == text for fill in reply.fills))
        return outcome

    def _cached(self, query: Query, state: DocumentState) -> Reply | None:
        found = state.cache.find(query, types_through=self.types_through)
        return None if found is None else Reply(*found, source=found[0].source)

    async def _last_wins(self, query: Query, state: DocumentState) -> Reply | None:
        """Ask, unless a newer query of the same document cancels this one; being cancelled oneself is passed on."""
        run = state.running = state.take_prepared(query) or self._ask(query, state)
        try:
            return await run.task
        except asyncio.CancelledError:
            if _this_task_is_cancelled():
                raise
            return None
        finally:
            if state.running is run:
                state.running = None

    def _ask(self, query: Query, state: DocumentState) -> Run:
        return Run(query, asyncio.create_task(self._after_a_wait(query, state)))

    async def _after_a_wait(self, query: Query, state: DocumentState) -> Reply:
        place = place_at(query.snapshot.text, query.offset, query.snapshot.language)
        wait_s = 0.0 if query.invoked else self._wait_s(query, place)
        if not query.invoked:
            await self._clock.sleep(wait_s)
        answer = await self._infer(query, state, place, "memory")
        return Reply(answer, answer.fills, "sampler", wait_s * 1000)

    def _wait_s(self, query: Query, place: Place) -> float:
        own = query.settings.completion.debounce_ms
        return self.debounce.wait_s(place.line_before, place.line_after) if own is None else own / 1000

    async def _infer(self, query: Query, state: DocumentState, place: Place, source: Source) -> Answer:
        """Ask the sampler, filter its answer, and keep it as to be had from `source` later on."""
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
        if not result.load_ms:
            self.debounce.answered(answered - asked)
        answer = Answer(text=snapshot.text, offset=query.offset, fills=fills, inference=inference, source=source)
        state.cache.keep(answer)
        return answer

    def _verdict(self, candidate: Candidate, place: Place) -> Verdict:
        is_cut = candidate.finish in ("length", "deadline")
        return verdict(candidate.fills[0], place, self.filters, is_cut=is_cut)

    def _prepare(self, query: Query, state: DocumentState, text: str, *, is_all: bool) -> None:
        """Ask for what follows `text`, all of an answer or a part of it, as if it were accepted."""
        accepted = _accepted(query, text)
        if state.prepared_for == accepted:  # the same suggestion, with less of it left to type
            return
        state.drop_prepared()
        state.prepared_for = accepted
        following = _following(query, *accepted, is_all=is_all)
        if self._cached(following, state) is None and not self.why_spare():
            run = state.preparing = Run(following, asyncio.create_task(self._follow(following, state)))
            run.task.add_done_callback(lambda task: _end_preparing(state, run))

    async def _follow(self, query: Query, state: DocumentState) -> Reply:
        place = place_at(query.snapshot.text, query.offset, query.snapshot.language)
        answer = await self._infer(query, state, place, "prepared")
        return Reply(answer, answer.fills, "prepared")

    def _number(self) -> str:
        return f"{self.client[:8]}-{next(self._numbers)}"


def _end_preparing(state: DocumentState, run: Run) -> None:
    """Nobody waits for it, so what went wrong is only noted: the request that needs it will meet it again."""
    if state.preparing is run:
        state.preparing = None
    if not run.task.cancelled() and (error := run.task.exception()) is not None:
        logger.info("What was to follow could not be prepared: %s", error)


def _offer(query: Query, reply: Reply) -> Outcome:
    """What of a reply is sure enough to be shown."""
    floor = query.confidence_floor
    parts = reply.fills if query.invoked else tuple(fill.part(floor) for fill in reply.fills)
    texts = _worth_a_key(parts, reply.fills, floor, is_new=query.offset == reply.answer.offset)
    return Outcome(
        kind="shown" if texts else "silent",
        reason="" if texts else _why_nothing(reply.answer, parts, floor),
        texts=texts,
        source=reply.source,
        certainty=parts[0].certainty if parts else None,
        inference=reply.answer.inference,
        debounce_ms=reply.debounce_ms,
    )


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


def _why_nothing(answer: Answer, fills: tuple[Fill, ...], floor: float) -> str:
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
