"""Print what each policy costs a token: `python benchmarks/policy_cost.py [--model DIR] [--n 12] [--repeats 5]`.

CPU time of one thread, so that other work on the machine counts for little; the policies take turns at every cursor,
and the least of several such turns counts, since a shared processor's clock swings.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from operator import itemgetter
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from sampler.engine.job import Job
from sampler.engine.scheduler import Scheduler
from sampler.model import prepare
from sampler.model.checkpoint import LoadedModel
from sampler.model.devices import wait_passively
from sampler.protocol.messages import Candidate, Event, InfillRequest, InfillResult, Policy
from sampler.protocol.paths import default_model_folder
from seedfill.evaluation.latency import Plan, requests

SETTINGS: tuple[tuple[Policy, int | None], ...] = (
    ("sequential", None),
    ("lookup", None),
    ("verified", 2),
    ("verified", 3),
    ("verified", 4),
    ("verified", 8),
    ("fused", 2),
    ("fused", 3),
)


def main() -> None:
    """Measure and print."""
    wait_passively()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=default_model_folder())
    parser.add_argument("--n", type=int, default=12, help="cursors")
    parser.add_argument("--repeats", type=int, default=5, help="turns, of which the least counts")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model, scheduler = prepare.load(given.model, torch.device("cpu")), Scheduler()
    table = Table("policy", "block", "CPU ms a token", "tokens/forward", title=f"{given.n} fills, one thread")
    cursors = list(requests(Plan(n=given.n), "cost", given.n))
    turns = [
        [[_fill(scheduler, model, request, *setting) for setting in SETTINGS] for _ in range(given.repeats)]
        for request in cursors
    ]
    answers = [[min(fills, key=itemgetter(0)) for fills in zip(*turn, strict=True)] for turn in turns]
    for (policy, block_size), fills in zip(SETTINGS, zip(*answers, strict=True), strict=True):
        n_tokens, n_forwards = sum(one.tokens for _, one in fills), sum(one.forwards for _, one in fills)
        ms = sum(seconds for seconds, _ in fills) * 1000
        table.add_row(policy, str(block_size or 1), f"{ms / n_tokens:.1f}", f"{n_tokens / n_forwards:.2f}")
    Console(width=100).print(table)


def _fill(
    scheduler: Scheduler, model: LoadedModel, request: InfillRequest, policy: Policy, block_size: int | None
) -> tuple[float, Candidate]:
    """CPU seconds from the context being read to the text, and the text."""
    said: list[Event] = []
    scheduler.admit(Job(replace(request, policy=policy, block_size=block_size), said.append), model)
    started = time.thread_time()
    while scheduler.active:
        scheduler.round()
    result = said[-1]
    assert isinstance(result, InfillResult), result
    return time.thread_time() - started, result.candidates[0]


if __name__ == "__main__":
    main()
