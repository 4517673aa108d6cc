"""What a request's rows come to: what is told on the way, and the candidates at the end."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace
from difflib import SequenceMatcher

from sampler.decoding.canvas import Canvas
from sampler.decoding.denoise import Row
from sampler.decoding.span import Span
from sampler.decoding.stopping import ends_of
from sampler.decoding.unmask import Sampling
from sampler.engine.job import Job
from sampler.model.checkpoint import LoadedModel
from sampler.protocol.messages import Candidate, Finish, InfillResult, Progress


def show_progress(job: Job, model: LoadedModel) -> None:
    """Tell whoever asked for a stream what is new of the first row."""
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
    """What of the first span will not change any more."""
    span = row.canvas.spans[0]
    n_sure = row.stopping.n_sure if row.stopping and span.finish is None else 0
    frozen = replace(span, block=None, old_code=None, tokens=span.tokens[: n_sure or None])
    return row.canvas.fill(frozen, model.tokenizer, model.profile.mask_id)


def result(job: Job, model: LoadedModel) -> InfillResult:
    """The request's candidates: those that came to an end before those cut short, then those that leave fewer errors,
    then the likelier; where nobody looks for errors, by mean log-probability.
    """
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
        forwards=row.n_before + row.n_forwards,
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
    old = span.old if span.old_code is None else span.old_code.tokens
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


def _rank(row: Row) -> tuple[bool, int, float]:
    is_finished = _finish(row.canvas) != "deadline"
    if row.stopping is not None:
        return is_finished, *row.stopping.stop.rank
    log_probs = [log_prob for span in row.canvas.spans for log_prob in span.log_probs]
    return is_finished, 0, _mean(log_probs, empty=-math.inf)


def _mean(values: Iterable[float], empty: float = 0.0) -> float:
    found = list(values)
    return sum(found) / len(found) if found else empty
