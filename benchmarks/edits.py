"""Print what edits cost by where they start, and holes together or one by one: `python benchmarks/edits.py [--n 20]`.

With tasks of `seedfill train instruct-set`: `python benchmarks/edits.py edits.jsonl --model weights`, how many of --n
edits pass, however unsure the model is, and at what cost, so that ways of equal quality can be compared.

Without: a few lines of the running Python's own library with one character lost and the request to fix them, from masks
token by token, from masks in verified drafts, and from the old code. Accepted by agreement, old code leads to the text
that is written token by token; "same" says how often, of those that came to an end. Times are a service's own, of an
otherwise idle machine.
"""

from __future__ import annotations

import argparse
import inspect
import json
import random
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from sampler.engine.engine import Engine
from sampler.protocol.messages import Failure, InfillRequest, InfillResult
from sampler.text.rewriting import edit_request
from seedfill.evaluation.edit_tasks import EditTask, read_edit_tasks
from seedfill.evaluation.editor import EditOptions, SamplerEditor
from seedfill.evaluation.edits import answer_edits, edit_figures, judge_edits
from seedfill.evaluation.infill import wait_for
from seedfill.evaluation.tasks import spread

MODULES = (textwrap, inspect, json.decoder, random, argparse)
WAYS: dict[str, dict[str, Any]] = {
    "from masks, token by token": {"start": "masks", "policy": "sequential"},
    "from masks, verified": {"start": "masks", "policy": "verified"},
    "from masks, by the model's own policy": {"start": "masks"},
    "from the old code, by agreement": {"policy": "verified"},
    "from the old code, the model's own way": {},
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", type=Path, nargs="?", help="a task file; without one, damaged lines are repaired")
    parser.add_argument("--n", type=int, default=20, help="edits, and groups of three holes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="a model's folder; the shipped one by default")
    given = parser.parse_args()
    engine = Engine(default_model=given.model)
    if given.tasks:
        Console(width=100).print(_by_quality(engine, spread(read_edit_tasks(given.tasks), given.n), given.seed))
    else:
        _by_cost(engine, given.n, random.Random(given.seed))
    engine.close()


def _by_quality(engine: Engine, tasks: Sequence[EditTask], seed: int) -> Table:
    """What passes and what it costs, for each way to make the same edits."""
    table = Table(title=f"{len(tasks)} edits as instructed")
    for heading in ("", "passed", "no answer", "forwards", "p50 ms", "mean ms"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, way in track(WAYS.items(), "Editing", console=Console(stderr=True)):
        answers = answer_edits(SamplerEditor(engine, EditOptions(seed=seed, floor=0.0, **way)), tasks)
        figures = edit_figures(tasks, answers, judge_edits(tasks, answers))
        forwards = mean(answer.forwards for answer in answers)
        ms = mean(answer.ms or 0.0 for answer in answers)
        cells = (f"{figures['pass_at_1']:.3f}", f"{figures['refused']}", f"{forwards:.1f}", f"{figures['ms_p50']:.0f}")
        table.add_row(name, *cells, f"{ms:.0f}")
    return table


def _by_cost(engine: Engine, n: int, rng: random.Random) -> None:
    ask = partial(_ask, engine)
    edits = [_edit(rng) for _ in range(n)]
    holes = [_holes(rng) for _ in range(n)]
    console = Console(width=100)
    by_token = [ask(_from_masks(request, "sequential")) for request in edits]
    rows = {
        "from masks, token by token": by_token,
        "from masks, verified": [ask(_from_masks(request, "verified")) for request in edits],
        "from the old code": [ask(request) for request in edits],
    }
    console.print(_table("Edits", {name: [[result] for result in row] for name, row in rows.items()}, by_token))
    together = [[ask(InfillRequest(document=f"t{i}", pieces=pieces, max_tokens=24))] for i, pieces in enumerate(holes)]
    apart = [_one_by_one(engine, i, pieces) for i, pieces in enumerate(holes)]
    console.print(_table("Three holes", {"in one group": together, "one after another": apart}))


def _ask(engine: Engine, request: InfillRequest) -> InfillResult:
    event = wait_for(engine, request)
    if isinstance(event, Failure):
        raise SystemExit(event.message)
    return event


def _from_masks(request: InfillRequest, policy: Any) -> InfillRequest:
    assert request.edit is not None
    return replace(request, edit=replace(request.edit, start="masks"), policy=policy)


def _one_by_one(engine: Engine, number: int, pieces: Sequence[str]) -> list[InfillResult]:
    results, filled = [], pieces[0]
    for i in range(1, len(pieces)):
        after = "".join(pieces[i:])
        results.append(_ask(engine, InfillRequest(document=f"a{number}", pieces=(filled, after), max_tokens=24)))
        filled += results[-1].candidates[0].fills[0] + pieces[i]
    return results


def _edit(rng: random.Random) -> InfillRequest:
    lines = inspect.getsource(rng.choice(MODULES)).split("\n")
    first = rng.randrange(20, len(lines) - 20)
    old = "\n".join(lines[first : first + rng.randrange(2, 7)]) or "pass"
    at = rng.randrange(len(old))
    before, after = "\n".join(lines[:first]) + "\n", "\n" + "\n".join(lines[first + 7 :])
    return edit_request(before, old[:at] + old[at + 1 :], after, "fix the code", document="edit", max_tokens=16)


def _holes(rng: random.Random) -> tuple[str, ...]:
    lines = inspect.getsource(rng.choice(MODULES)).split("\n")
    first = rng.randrange(len(lines) - 30)
    starts = [first + 5, first + 12, first + 19]
    kept = [line[: len(line) // 2] if i + first in starts else line for i, line in enumerate(lines[first : first + 26])]
    edges = [0, *(start - first + 1 for start in starts), len(kept)]
    return tuple(("\n" if i else "") + "\n".join(kept[edges[i] : edges[i + 1]]) for i in range(4))


def _table(title: str, rows: dict[str, list[list[InfillResult]]], reference: Sequence[InfillResult] = ()) -> Table:
    table = Table(title=title)
    for heading in ("", "forwards", "tokens/forward", "p50 ms", "same"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, row in rows.items():
        best = [result.candidates[0] for results in row for result in results]
        forwards, tokens = (sum(getattr(one, what) for one in best) for what in ("forwards", "tokens"))
        ms = median(sum(result.ms for result in results) for results in row)
        others = [result.candidates[0] for result in reference]
        same = [one.fills == other.fills for one, other in zip(best, others, strict=False) if other.finish == "end"]
        share = f"{mean(same):.0%}" if same else ""
        table.add_row(name, f"{forwards / len(row):.1f}", f"{tokens / max(forwards, 1):.2f}", f"{ms:.0f}", share)
    return table


if __name__ == "__main__":
    main()
