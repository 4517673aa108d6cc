"""Requests at work: rounds of one denoising step over the rows of several requests.

A request joins at the next round and leaves at the next round, whether finished, cancelled or out of time. No threads
here: whoever owns the scheduler calls `round` until nothing is left.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from itertools import groupby
from weakref import WeakKeyDictionary

import torch

from sampler.canvas import Canvas, canvases
from sampler.checkpoint import LoadedModel, ModelError
from sampler.clipping import clipped
from sampler.denoise import Row, denoise_step, read_context, start_row, stop
from sampler.ending import Ending, ends_of, is_open_ended, wholeness
from sampler.families import FamilyProfile
from sampler.kv_cache import ContextSlot, SlotCache
from sampler.messages import (
    BadMessage,
    CacheMiss,
    Candidate,
    Edit,
    Event,
    Failure,
    Finish,
    InfillRequest,
    InfillResult,
    Policy,
    Progress,
)
from sampler.span import Span
from sampler.surprise import surprise
from sampler.unmask import CHECKED, EDIT_THRESHOLD, PARAMETERS, Sampling

MAX_ROWS = 32
"""Rows of one forward."""
CANDIDATE_TEMPERATURE = 0.8
"""Of all candidates but the first, where the request names none."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Job:
    """A request on its way: who hears of it, since when, and its rows once it has been admitted."""

    request: InfillRequest
    on_event: Callable[[Event], None]
    received: float = field(default_factory=time.monotonic)
    load_s: float = 0.0
    is_cancelled: bool = False
    is_done: bool = False
    model: LoadedModel | None = None
    rows: list[Row] = field(default_factory=list)
    tokens_computed: int = 0
    cache_miss: CacheMiss = "uncached"
    is_strange: bool = False
    """Whether an edit is asked for in words that the model does not know, so that no confidence in it counts."""
    shown: Progress | None = None

    def cancel(self) -> None:
        """Leave at the next control point; may be called from any thread, at any time."""
        self.is_cancelled = True

    def is_late(self, now: float) -> bool:
        """Whether the deadline has passed."""
        deadline = self.request.deadline_ms
        return deadline is not None and (now - self.received) * 1000 >= deadline

    def tell(self, event: Event) -> None:
        """Pass an event on; a listener that fails has lost interest."""
        try:
            self.on_event(event)
        except Exception:
            _log.exception("a listener failed; its request is dropped")
            self.is_cancelled = True

    def end(self, event: InfillResult | Failure) -> None:
        """The last event; rows, and with them the tails, are let go."""
        if not self.is_done:
            self.is_done, self.rows = True, []
            self.tell(event)


class Scheduler:
    """The requests at work and the context slots of each model."""

    def __init__(self, slot_budget_bytes: int = 1 << 30) -> None:
        self.active: deque[Job] = deque()
        self.counters: Counter[str] = Counter()
        self._slot_budget_bytes = slot_budget_bytes
        self._slots: WeakKeyDictionary[LoadedModel, SlotCache] = WeakKeyDictionary()

    def admit(self, job: Job, model: LoadedModel) -> None:
        """Read the request's context and queue its rows; raises BadMessage, or torch's errors where memory ends."""
        request, profile = clipped(job.request, model.max_positions), model.profile
        _check(request, profile, model)
        found = canvases(request, model.tokenizer, profile, model.max_positions)
        slot = None if job.is_late(time.monotonic()) else self._read(job, found[0], model)
        samplings = [sampling_of(request, model, i) for i in range(request.n_candidates)]
        job.model, job.is_strange = model, _is_strange(request, model)
        job.rows = [start_row(model, canvas.copy(), sampling, slot) for sampling in samplings for canvas in found]
        if is_open_ended(request, profile):
            is_whole = wholeness(found[0], request)
            for row in job.rows:
                row.ending = Ending(model.tokenizer, is_whole, row.canvas.begins)
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

    @property
    def slot_bytes(self) -> int:
        """Memory of all context slots."""
        return sum(cache.n_bytes for cache in self._slots.values())

    def _next_batch(self) -> list[Job]:
        """Jobs from the front of the queue, moved to its end: at least one, and as many as fit."""
        batch: list[Job] = []
        n_rows = 0
        for _ in range(len(self.active)):
            if batch and n_rows + len(self.active[0].rows) > MAX_ROWS:
                break
            job = self.active.popleft()
            n_rows += len(job.rows)
            batch.append(job)
            self.active.append(job)
        return batch

    def _step(self, jobs: list[Job]) -> None:
        """One step of all these jobs' rows; where that fails, each alone, so that a failure stays with its own."""
        model = jobs[0].model
        assert model is not None
        before = sum(row.n_forwards for job in jobs for row in job.rows)
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
            _show_progress(job, model)

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
        result = _result(job, job.model)
        self.counters["tokens"] += sum(candidate.tokens for candidate in result.candidates)
        job.end(result)

    def _read(self, job: Job, canvas: Canvas, model: LoadedModel) -> ContextSlot | None:
        """The context's slot, read as far as no earlier request has; None where the family cannot keep one."""
        if model.profile.cache != "exact":
            job.tokens_computed = len(canvas.context)
            return None
        cache = self._slots.setdefault(model, SlotCache(self._slot_budget_bytes))
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


CANCELLED = Failure(kind="cancelled", message="The request was cancelled.")


def failure(error: Exception) -> Failure:
    """What to tell of an error, in one sentence."""
    if isinstance(error, BadMessage):
        return Failure(kind="bad_input", message=str(error))
    if isinstance(error, ModelError):
        return Failure(kind="failed", message=str(error))
    if is_out_of_memory(error):
        return Failure(kind="failed", message="Memory ran out: choose a smaller model or fewer candidates.")
    return Failure(kind="failed", message=f"The sampler failed ({type(error).__name__}: {error}); its log has more.")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python could not get memory, on whatever device."""
    texts = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error).lower() for text in texts)
    )


def _check(request: InfillRequest, profile: FamilyProfile, model: LoadedModel) -> None:
    if request.policy in CHECKED and not profile.causal_reading:
        raise BadMessage(f"The model {model.id} has no causal reading, so the policy {request.policy} is not offered.")
    if request.policy is not None and request.policy not in PARAMETERS:
        raise BadMessage(f"There is no policy {request.policy!r}: choose one of {', '.join(PARAMETERS)}.")
    if request.edit is not None:
        _check_edit(request, request.edit, profile, model)


def _check_edit(request: InfillRequest, edit: Edit, profile: FamilyProfile, model: LoadedModel) -> None:
    if profile.layout == "in-place":
        if profile.chat is None:
            raise BadMessage(f"The model {model.id} only fills gaps: choose one that edits.")
    elif edit.start == "selection" and not profile.edit_ids and request.policy not in (None, *CHECKED):
        raise BadMessage(f"The model {model.id} was not taught to judge old code: leave the policy out.")


def _policy(request: InfillRequest, profile: FamilyProfile) -> Policy:
    """The policy asked for, else the model's own; old code is judged by a model that was taught to, else by agreement.

    Judged code is not checked by the causal reading as well, which knows nothing of what stands further on.
    """
    is_drafted = request.edit is not None and request.edit.start == "selection" and profile.layout != "in-place"
    if request.policy is not None or not is_drafted:
        return request.policy or profile.policy
    return "threshold" if profile.edit_ids else "verified"


def _edit_threshold(edit: Edit | None, profile: FamilyProfile, policy: Policy) -> float | None:
    """τ_edit: as asked for, or the model's own; of old code there is always one."""
    if edit is None or edit.start == "masks" or profile.layout == "in-place":
        return profile.edit_threshold
    if edit.threshold is not None:
        return edit.threshold
    return None if policy in CHECKED else profile.edit_threshold or EDIT_THRESHOLD


def _is_strange(request: InfillRequest, model: LoadedModel) -> bool:
    ceiling = model.profile.surprise_ceiling
    if ceiling is None or request.edit is None or request.edit.start == "masks":
        return False
    return surprise(model, request.instruction, request.language) > ceiling


def sampling_of(request: InfillRequest, model: LoadedModel, index: int) -> Sampling:
    """How candidate `index` is sampled: the first of several greedily, the others at a temperature."""
    profile = model.profile
    policy = _policy(request, profile)
    own = profile.threshold if policy == profile.policy else None
    temperature = request.temperature
    if request.n_candidates > 1:
        temperature = (temperature or CANDIDATE_TEMPERATURE) if index else 0.0
    generator = torch.Generator(model.device)
    generator.manual_seed((request.seed * 1_000_003 + index) % 2**63)
    return Sampling(
        policy=policy,
        threshold=next(t for t in (request.threshold, own, PARAMETERS[policy]) if t is not None),
        block_size=1 if policy in ("lookup", "sequential") else request.block_size or profile.block_size,
        temperature=temperature,
        top_p=request.top_p,
        generator=generator,
        edit_threshold=_edit_threshold(request.edit, profile, policy),
        is_edit=request.edit is not None and request.edit.start == "selection",
    )


def _model_key(job: Job) -> int:
    return id(job.model)


def _show_progress(job: Job, model: LoadedModel) -> None:
    if not job.request.stream or not job.rows:
        return
    row = job.rows[0]
    event = Progress(fills=_fills(row.canvas, model), committed=_committed(row, model) if len(job.rows) == 1 else "")
    if event != job.shown:
        job.shown = event
        job.tell(event)


def _fills(canvas: Canvas, model: LoadedModel) -> tuple[str, ...]:
    return canvas.fills(model.tokenizer, model.profile.mask_id)


def _committed(row: Row, model: LoadedModel) -> str:
    """What of the first span will not change any more; half a character at its end is left out, as it still may."""
    span = row.canvas.spans[0]
    n_sure = row.ending.n_sure if row.ending and span.finish is None else 0
    frozen = replace(span, block=None, draft=None, tokens=span.tokens[: n_sure or None])
    return row.canvas.fill(frozen, model.tokenizer, model.profile.mask_id).rstrip("\ufffd")


def _result(job: Job, model: LoadedModel) -> InfillResult:
    """The request's candidates: those that came to an end before those cut short, then by mean log-probability."""
    ranked = sorted(job.rows, key=_rank, reverse=True)
    return InfillResult(
        candidates=tuple(_candidate(row, job, model) for row in ranked[: job.request.n_candidates]),
        model=model.id,
        device=model.device.type,
        ms=(time.monotonic() - job.received - job.load_s) * 1000,
        load_ms=job.load_s * 1000,
        tokens_computed=job.tokens_computed,
        cache_miss=job.cache_miss,
    )


def _candidate(row: Row, job: Job, model: LoadedModel) -> Candidate:
    spans = row.canvas.spans
    has_ends = len(spans) == 1 and job.request.edit is None
    log_probs = [log_prob for span in spans for log_prob in _telling(span, row.sampling)]
    return Candidate(
        fills=_fills(row.canvas, model),
        tokens=sum(row.canvas.n_tokens(span, model.tokenizer) for span in spans),
        forwards=row.n_forwards,
        confidence=0.0 if job.is_strange else _mean(map(math.exp, log_probs)),
        finish=_finish(row.canvas),
        ends=ends_of(row.canvas, model.tokenizer, model.profile.mask_id) if has_ends else (),
    )


def _telling(span: Span, sampling: Sampling) -> list[float]:
    """The log-probabilities that say how sure the model was: all, or of an edit those of what it changed.

    Old code that was judged has been spoken of already. Otherwise what stays is sure anyway, and where something was
    left out, the token behind the gap speaks for it.
    """
    if span.judged and not sampling.is_checked:
        return span.judged
    old = span.old if span.draft is None else span.draft.tokens
    if old is None:
        return span.log_probs
    same = SequenceMatcher(None, old, span.tokens, autojunk=False).get_matching_blocks()
    kept = {b + i for _, b, size in same for i in range(size)}
    gaps = {b for (a, b, _), (x, y, n) in zip(same[1:], same, strict=False) if a > x + n and b == y + n}
    gaps |= {0} if same[0].a > same[0].b == 0 else set()
    telling = [p for i, p in enumerate(span.log_probs) if i not in kept or i in gaps]
    return telling or span.log_probs


def _finish(canvas: Canvas) -> Finish:
    """The least happy way in which a span ended."""
    ends = {span.finish for span in canvas.spans}
    order: tuple[Finish, ...] = ("cancelled", "deadline", "length")
    return next((end for end in order if end in ends), "end")


def _rank(row: Row) -> tuple[bool, float]:
    log_probs = [log_prob for span in row.canvas.spans for log_prob in span.log_probs]
    return _finish(row.canvas) != "deadline", _mean(log_probs, empty=-math.inf)


def _mean(values: Iterable[float], empty: float = 0.0) -> float:
    found = list(values)
    return sum(found) / len(found) if found else empty
