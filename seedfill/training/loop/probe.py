"""How well the weights at hand fill spans of held-out files: a small, fixed look during training."""

from __future__ import annotations

import random
from dataclasses import replace

import torch

from sampler.engine.job import Job
from sampler.engine.scheduler import Scheduler
from sampler.model.checkpoint import LoadedModel
from sampler.protocol.messages import Event, Failure, InfillRequest, InfillResult, Policy
from sampler.text.windows import prefix_window, suffix_window
from seedfill.training.data.corpus import Document


def line_tasks(documents: list[Document], n_tasks: int, seed: int = 0) -> list[tuple[InfillRequest, str]]:
    """`n_tasks` rests of lines, from somewhere in the line on, each with the text that stood there."""
    rng = random.Random(seed)
    tasks: list[tuple[InfillRequest, str]] = []
    while len(tasks) < n_tasks:
        document = rng.choice(documents)
        at = rng.randrange(len(document.text))
        gold = document.text[at:].split("\n", 1)[0]
        if len(gold.strip()) >= 3:
            pieces = (prefix_window(document.text[:at], 1_500), suffix_window(document.text[at + len(gold) :], 500))
            request = InfillRequest(
                document=f"{len(tasks)}", pieces=pieces, path=document.path, max_tokens=48, one_line=True
            )
            tasks.append((request, gold))
    return tasks


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
    for request, gold in line_tasks(documents, n_tasks):
        best = fill(model, request, policy).candidates[0]
        n_exact += best.fills[0].rstrip() == gold.rstrip()
        n_tokens += best.tokens
        n_forwards += best.forwards
    return {"exact_match": n_exact / n_tasks, "tokens_per_forward": n_tokens / max(n_forwards, 1)}
