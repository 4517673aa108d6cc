"""Requests at work: rounds of one denoising step over the rows of several requests.

A request joins at the next round and leaves at the next round, whether finished, cancelled or out of time. No threads
here: whoever owns the scheduler calls `round` until nothing is left.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import groupby
from weakref import WeakKeyDictionary

from sampler.decoding.canvas import Canvas
from sampler.decoding.denoise import Row, denoise_step, read_context, start_row, stop
from sampler.decoding.forks import N_FORKS, forks, may_fork, prune, share_drafts
from sampler.decoding.prompt import canvases
from sampler.decoding.stopping import Stopping, errors_around, fills_extent, is_open_ended
from sampler.engine.failures import CANCELLED, failure, is_out_of_memory
from sampler.engine.instruction_nll import surprise
from sampler.engine.job import Job
from sampler.engine.results import result, show_progress
from sampler.engine.sampling_params import check, sampling_of
from sampler.engine.truncation import clipped
from sampler.engine.turns import alternating
from sampler.model.checkpoint import LoadedModel
from sampler.model.kv_cache import ContextSlot, SlotCache
from sampler.protocol.messages import Finish, InfillRequest
from sampler.text.extent import extent_at

MAX_ROWS = 32
"""Rows of one forward."""
SLOT_BYTES = 256 << 20
"""Of context slots, at most: some forty windows of the small model, of which a person has few open."""

_log = logging.getLogger(__name__)


class Scheduler:
    """The requests at work and the context slots of each model."""

    def __init__(self, slot_budget_bytes: int = SLOT_BYTES) -> None:
        self.active: deque[Job] = deque()
        self.counters: Counter[str] = Counter()
        self.slot_budget_bytes = slot_budget_bytes
        """Of the slots of all models together."""
        self._slots: WeakKeyDictionary[LoadedModel, SlotCache] = WeakKeyDictionary()

    def admit(self, job: Job, model: LoadedModel) -> None:
        """Read the request's context and queue its rows; raises BadMessage, or torch's errors where memory ends."""
        request, profile = clipped(job.request, model.max_positions), model.profile
        check(request, model)
        found = canvases(request, model.tokenizer, profile, model.max_positions)
        slot = None if job.is_late(time.monotonic()) else self._read(job, found[0], model)
        job.model, job.is_strange = model, _is_strange(request, model)
        job.rows = _rows(request, model, found, slot)
        self._count_admission(job, found[0])
        self.active.append(job)

    def round(self) -> None:
        """Let go whoever is finished, cancelled or late, then step as many rows as one forward takes.

        Requests take turns: those that did not fit into this round are the first of the next.
        """
        self._release()
        batch = self._next_batch()
        for _, jobs in groupby(sorted(batch, key=_model_key), key=_model_key):
            self._step(list(jobs))
        self.counters["rounds"] += 1
        self._release()

    def forget(self) -> None:
        """Drop the context slots of all models."""
        for cache in self._slots.values():
            cache.clear()

    def forget_documents(self, documents: Iterable[str]) -> None:
        """Drop the context slots of documents that were closed."""
        for cache in self._slots.values():
            for document in documents:
                cache.drop(document)

    @property
    def n_evicted(self) -> int:
        """Context slots that had to make room for others so far."""
        return sum(cache.n_evicted for cache in self._slots.values())

    @property
    def slot_bytes(self) -> int:
        """Memory of all context slots."""
        return sum(cache.n_bytes for cache in self._slots.values())

    def _next_batch(self) -> list[Job]:
        """Jobs from the front of the queue, moved to its end: at least one, and as many as fit."""
        batch: list[Job] = []
        n_rows = 0
        self.active = deque(alternating(self.active))
        for _ in range(len(self.active)):
            n_more = sum(not row.canvas.is_finished for row in self.active[0].rows)
            if batch and n_rows + n_more > MAX_ROWS:
                break
            job = self.active.popleft()
            n_rows += n_more
            batch.append(job)
            self.active.append(job)
        return batch

    def _step(self, jobs: list[Job]) -> None:
        """One step of all these jobs' rows; where that fails, each alone, so that a failure stays with its own."""
        model = jobs[0].model
        assert model is not None
        before = sum(row.n_forwards for job in jobs for row in job.rows)
        for job in jobs:
            share_drafts(job.rows)
        try:
            denoise_step(model, [row for job in jobs for row in job.rows])
        except Exception as error:
            if len(jobs) == 1:
                _log.exception("a step failed")
                if is_out_of_memory(error):
                    self.forget()
                jobs[0].end(failure(error))
            else:
                for job in jobs:
                    self._step([job])
            return
        self.counters["forwards"] += sum(row.n_forwards for job in jobs for row in job.rows) - before
        for job in jobs:
            prune(job.rows, job.request.n_candidates)
            show_progress(job, model)

    def _release(self) -> None:
        """Answer every job that has come to its end and take it out."""
        now = time.monotonic()
        for job in self.active:
            if job.is_cancelled:
                self.counters["forwards_cancelled"] += sum(row.n_forwards for row in job.rows)
                job.end(CANCELLED)
            elif job.is_late(now):
                self._answer(job, "deadline")
            elif all(row.canvas.is_finished for row in job.rows):
                self._answer(job)
        self.active = deque(job for job in self.active if not job.is_done)

    def _answer(self, job: Job, finish: Finish | None = None) -> None:
        if job.is_done or job.model is None:
            return
        for row in job.rows if finish else ():
            stop(row, finish or "end")
        found = result(job, job.model)
        self.counters["tokens"] += sum(candidate.tokens for candidate in found.candidates)
        job.end(found)

    def _read(self, job: Job, canvas: Canvas, model: LoadedModel) -> ContextSlot | None:
        """The context's slot, read as far as no earlier request has; None where the family cannot keep one."""
        if model.profile.cache != "exact":
            job.tokens_computed = len(canvas.context)
            return None
        cache = self._slots.setdefault(model, SlotCache())
        for each in self._slots.values():
            each.budget_bytes = self.slot_budget_bytes // len(self._slots)
        reuse = cache.find(job.request.document, canvas.context, canvas.parts)
        slot, job.tokens_computed = read_context(model, canvas, reuse)
        job.cache_miss = reuse.miss
        cache.keep(job.request.document, slot)
        return slot

    def _count_admission(self, job: Job, canvas: Canvas) -> None:
        self.counters["requests"] += 1
        self.counters["context_tokens"] += len(canvas.context)
        self.counters["context_tokens_computed"] += job.tokens_computed
        self.counters[f"cache_{job.cache_miss}"] += 1
        self.counters["forks"] += sum(row.n_before > 0 for row in job.rows)


def _rows(request: InfillRequest, model: LoadedModel, found: Sequence[Canvas], slot: ContextSlot | None) -> list[Row]:
    """The likeliest row, other beginnings where there may be some, and drawn ones for candidates still missing."""

    def row_of(canvas: Canvas, i: int) -> Row:
        return start_row(model, canvas.copy(), sampling_of(request, model, i), slot)

    rows, n_begun = [row_of(canvas, 0) for canvas in found], 1
    is_open = is_open_ended(request, model.profile)
    is_all = fills_extent(request, model.profile)
    n_forks = max(0 if is_all else N_FORKS, request.n_candidates - 1)
    if is_open and n_forks and may_fork(request, rows[0]):
        rows += forks(model, rows[0], found[0], n_forks)
        n_begun = len(rows)
    rows += [row_of(canvas, i) for i in range(n_begun, request.n_candidates) for canvas in found]
    if is_open:
        errors, extent = errors_around(found[0], request), extent_at(*request.pieces)
        for row in rows:
            row.stopping = Stopping(model.tokenizer, errors, row.canvas.begins, extent, is_all)
    return rows


def _is_strange(request: InfillRequest, model: LoadedModel) -> bool:
    ceiling = model.profile.surprise_ceiling
    if ceiling is None or request.edit is None or request.edit.start == "masks":
        return False
    return surprise(model, request.instruction, request.language) > ceiling


def _model_key(job: Job) -> int:
    return id(job.model)
