"""What became of a request, step by step: what `seedfill explain` shows."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from lsp_server.context.query import Query
from lsp_server.postprocess import Verdict
from sampler.protocol.messages import Candidate, InfillRequest, InfillResult
from sampler.text.line_ends import unix_lines

OutcomeKind: TypeAlias = Literal["shown", "silent", "superseded", "failed"]
Source: TypeAlias = Literal["sampler", "memory", "prepared"]
"""Asked for now; typed through or asked for before; prepared while the suggestion before it was on screen."""
Texts: TypeAlias = tuple[str, ...]
Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inference:
    """One answer of the sampler, and what the filters made of it. `ms` are of the parts, in milliseconds."""

    id: str
    request: InfillRequest
    result: InfillResult
    verdicts: tuple[Verdict, ...]
    ms: dict[str, float]

    def to_json(self) -> Json:
        """What was asked, what came back, and what each filter did to it."""
        request, result = self.request, self.result
        return {
            "asked": {
                "before": request.pieces[0],
                "after": request.pieces[1],
                "snippets": [snippet.path for snippet in request.snippets],
                "path": request.path,
                "language": request.language,
                "max_tokens": request.max_tokens,
                "one_line": request.one_line,
                "n_candidates": request.n_candidates,
                "deadline_ms": request.deadline_ms,
                "model": request.model,
            },
            "answer": {
                "model": result.model,
                "device": result.device,
                "tokens_computed": result.tokens_computed,
                "cache_miss": result.cache_miss,
                "candidates": [_candidate(*both) for both in zip(result.candidates, self.verdicts, strict=True)],
            },
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a query came to. Times are in milliseconds."""

    kind: OutcomeKind
    reason: str = ""
    """Why nothing is shown, in one sentence."""
    texts: Texts = ()
    source: Source | None = None
    """None where nothing was asked for."""
    certainty: float | None = None
    """Of what is shown, or was to be, 0 to 1; None where there was no text."""
    inference: Inference | None = None
    debounce_ms: float = 0.0
    total_ms: float = 0.0


SUPERSEDED = Outcome(kind="superseded", reason="A newer request of the same document came in between.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One request and its outcome. Lines and columns count from 1, columns in characters."""

    uri: str
    language: str
    line: int
    column: int
    invoked: bool
    outcome: Outcome
    time: float = field(default_factory=time.time)
    """Seconds since 1970."""
    confidence_floor: float = 0.0
    offset: int = 0
    """Of the cursor, in the document."""

    @property
    def offer(self) -> str:
        """What tells the suggestion from others, also of the same answer; empty where there is none."""
        inference = self.outcome.inference
        return "" if inference is None else f"{inference.id}@{self.offset}"

    def to_json(self) -> Json:
        """One JSON object."""
        outcome, inference = self.outcome, self.outcome.inference
        return {
            "time": self.time,
            "document": self.uri,
            "language": self.language,
            "line": self.line,
            "column": self.column,
            "invoked": self.invoked,
            "outcome": outcome.kind,
            "reason": outcome.reason,
            "source": outcome.source,
            "texts": list(outcome.texts),
            "certainty": outcome.certainty,
            "confidence_floor": self.confidence_floor,
            **({"asked": None, "answer": None} if inference is None else inference.to_json()),
            "ms": {"debounce": outcome.debounce_ms, "total": outcome.total_ms, **(inference.ms if inference else {})},
        }


def record_of(query: Query, outcome: Outcome) -> Record:
    """The record of a request that has come out."""
    before = unix_lines(query.snapshot.text[query.origin : query.offset])
    return Record(
        uri=query.snapshot.uri,
        language=query.snapshot.language,
        line=before.count("\n") + 1,
        column=len(before) - before.rfind("\n"),
        invoked=query.invoked,
        outcome=outcome,
        offset=query.offset - query.origin,
        confidence_floor=query.confidence_floor,
    )


def _candidate(candidate: Candidate, verdict: Verdict) -> Json:
    return {
        "written": verdict.written,
        "shown": verdict.shown,
        "reason": verdict.reason,
        "confidence": candidate.confidence,
        "finish": candidate.finish,
        "tokens": candidate.tokens,
        "forwards": candidate.forwards,
        "filters": [step._asdict() for step in verdict.steps],
    }
