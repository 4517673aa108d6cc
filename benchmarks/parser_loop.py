"""Print what the parser in the loop is good for: `python benchmarks/parser_loop.py --fills F --edits E [--n 50]`.

F is a task file of `seedfill eval infill`, E one of `seedfill train instruct-set`; either may be left out. Of fills,
how many leave a file that parses and how many pass, as the model wrote them and with what does not parse written again.
Of edits the same, and with what does not parse refused. Edits are taken however unsure the model is.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from sampler.engine.engine import Engine
from sampler.protocol.messages import InfillRequest
from sampler.text.refilling import ROUNDS, refill
from sampler.text.rewriting import PARSE_ROUNDS
from sampler.text.windows import prefix_window, suffix_window
from seedfill.evaluation.edit_tasks import EditTask, read_edit_tasks
from seedfill.evaluation.editor import Asked, EditOptions, SamplerEditor
from seedfill.evaluation.edits import answer_edits, edit_figures, judge_edits
from seedfill.evaluation.execution import run_programs
from seedfill.evaluation.metrics import parses
from seedfill.evaluation.tasks import InfillTask, read_tasks, spread

HEADINGS = ("", "parse", "passed", "refused", "forwards", "mean ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fills", type=Path)
    parser.add_argument("--edits", type=Path)
    parser.add_argument("--n", type=int, default=50, help="tasks of each file")
    parser.add_argument("--max-tokens", type=int, default=64, help="the longest fill")
    parser.add_argument("--model", type=Path, help="a model's folder; the shipped one by default")
    given = parser.parse_args()
    engine, console = Engine(default_model=given.model), Console(width=100)
    if given.fills:
        console.print(_fills(engine, spread(read_tasks(given.fills), given.n), given.max_tokens))
    if given.edits:
        console.print(_edits(engine, spread(read_edit_tasks(given.edits), given.n)))
    engine.close()


def _fills(engine: Engine, tasks: Sequence[InfillTask], max_tokens: int) -> Table:
    table = Table(*HEADINGS, title=f"{len(tasks)} fills")
    for name, rounds in track({"as written": 0, "written again": ROUNDS}.items(), "Filling", console=_stderr()):
        asked = [_Fill(engine, task, rounds, max_tokens) for task in tasks]
        outcomes = run_programs([one.task.program(one.text) for one in asked])
        table.add_row(
            name,
            f"{mean(one.parses for one in asked):.3f}",
            f"{mean(outcome == 'passed' for outcome in outcomes):.3f}",
            "",
            f"{mean(one.asked.forwards for one in asked):.1f}",
            f"{mean(one.asked.ms or 0.0 for one in asked):.0f}",
        )
    return table


class _Fill:
    """One task's fill, and what it cost."""

    def __init__(self, engine: Engine, task: InfillTask, rounds: int, max_tokens: int) -> None:
        self.task, self.asked = task, Asked(engine)
        request = InfillRequest(
            document=task.task_id,
            pieces=(prefix_window(task.prompt), suffix_window(task.suffix)),
            language=task.language,
            max_tokens=max_tokens,
        )
        self.text = asyncio.run(refill(self.asked.infill, request, rounds)).candidates[0].fills[0]
        self.parses = parses(task.whole(self.text), completion=self.text, gold=task.gold)


def _edits(engine: Engine, tasks: Sequence[EditTask]) -> Table:
    table = Table(*HEADINGS, title=f"{len(tasks)} edits")
    ways: dict[str, Any] = {"as written": None, "refused": 0, "written again": PARSE_ROUNDS}
    for name, rounds in track(ways.items(), "Editing", console=_stderr()):
        answers = answer_edits(SamplerEditor(engine, EditOptions(floor=0.0, parse_rounds=rounds)), tasks)
        figures = edit_figures(tasks, answers, judge_edits(tasks, answers))
        shown = [parses(one.completion, completion="x", gold="x") for one in answers if not one.refused]
        table.add_row(
            name,
            f"{mean(shown):.3f}" if shown else "none",
            f"{figures['pass_at_1']:.3f}",
            str(figures["refused"]),
            f"{mean(answer.forwards for answer in answers):.1f}",
            f"{mean(answer.ms or 0.0 for answer in answers):.0f}",
        )
    return table


def _stderr() -> Console:
    return Console(stderr=True)


if __name__ == "__main__":
    main()
