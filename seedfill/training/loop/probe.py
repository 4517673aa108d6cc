"""How well the weights at hand fill spans of held-out files: a small, fixed look during training."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice

import torch

from sampler.engine.job import Job
from sampler.engine.scheduler import Scheduler
from sampler.model.checkpoint import LoadedModel
from sampler.protocol.messages import Event, Failure, InfillRequest, InfillResult, Policy
from sampler.text.windows import prefix_window, suffix_window
from seedfill.training.data.corpus import Document
from seedfill.training.data.spans import rests_of_lines


def fill(model: LoadedModel, request: InfillRequest, policy: Policy) -> InfillResult:
    """One request, start to end, on this thread; raises RuntimeError with the sampler's sentence where it fails."""
    events: list[Event] = []
    scheduler = Scheduler()
    asked = replace(request, policy=policy)
    with torch.no_grad():
        scheduler.admit(Job(asked, events.append), model)
        while scheduler.active:
            scheduler.round()
    last = events[-1]
    if isinstance(last, Failure):
        raise RuntimeError(last.message)
    assert isinstance(last, InfillResult)
    return last


def probe(model: LoadedModel, documents: list[Document], policy: Policy, n_tasks: int = 24) -> dict[str, float]:
    """Share of rests of lines that come out exactly, and returned tokens per forward."""
    n_exact = n_tokens = n_forwards = 0
    for document, start, end in islice(rests_of_lines(documents, random.Random(0)), n_tasks):
        text, gold = document.text, document.text[start:end]
        pieces = (prefix_window(text[:start], 1_500), suffix_window(text[end:], 500))
        request = InfillRequest(document="", pieces=pieces, path=document.path, max_tokens=48, one_line=True)
        best = fill(model, request, policy).candidates[0]
        n_exact += best.fills[0].rstrip() == gold.rstrip()
        n_tokens += best.tokens
        n_forwards += best.forwards
    return {"exact_match": n_exact / n_tasks, "tokens_per_forward": n_tokens / max(n_forwards, 1)}
