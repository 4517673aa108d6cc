"""Where a fill had best end: `python benchmarks/stopping.py TASKS.jsonl [--model DIR] [--limit N]`.

The model writes each task's fill as far as it would, then several rules say where it should have ended. Printed: how
many are exact, how many are right as far as they go, and how many leave Python that parses.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from reading import read
from rich.console import Console
from rich.table import Table

from sampler.decoding.denoise import denoise, read_context, start_row
from sampler.decoding.prompt import canvases
from sampler.engine.sampling_params import sampling_of
from sampler.model import prepare
from sampler.model.checkpoint import LoadedModel
from sampler.protocol.messages import InfillRequest
from sampler.protocol.paths import default_model_folder
from sampler.text.syntax_errors import SyntaxErrors, excerpt_at
from sampler.text.windows import prefix_window, suffix_window
from seedfill.evaluation.metrics import parses
from seedfill.evaluation.tasks import InfillTask, read_tasks, spread

MAX_TOKENS = 96


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A line's end in a fill: the text up to there, how likely it and its end are, and whether the code is whole."""

    text: str
    log_prob: float
    end_log_prob: float
    is_whole: bool

    @property
    def worth(self) -> float:
        """In characters."""
        return len(self.text.strip()) * math.exp(self.log_prob)


Rule: TypeAlias = Callable[[Sequence[Place]], Place]


def whole(places: Sequence[Place]) -> Sequence[Place]:
    """Those that leave the code whole, or all where none does."""
    return [place for place in places if place.is_whole] or places


RULES: dict[str, Rule] = {
    "as the model ends": lambda places: places[-1],
    "its first line": lambda places: places[0],
    "the likeliest end": lambda places: max(places, key=lambda one: one.log_prob + one.end_log_prob),
    "worth most": lambda places: max(places, key=lambda one: one.worth),
    "the last that leaves the code whole": lambda places: whole(places)[-1],
    "the first that leaves the code whole": lambda places: whole(places)[0],
    "worth most of those that leave it whole": lambda places: max(whole(places), key=lambda one: one.worth),
}


def main() -> None:
    """Fill and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", type=Path)
    parser.add_argument("--model", type=Path, default=default_model_folder())
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    model = prepare.load(given.model, torch.device("cpu"))
    tasks = spread(read_tasks(given.tasks), given.limit)
    found = [(task, places) for task in tasks if (places := ends(model, task))]
    table = Table(title=f"{len(found)} of {len(tasks)} tasks got a text, {model.id}")
    for heading in ("ends behind", "exact", "right as far as it goes", "parses", "characters"):
        table.add_column(heading, justify="left" if heading == "ends behind" else "right")
    for name, rule in RULES.items():
        texts = [(task, rule(places).text) for task, places in found]
        sums = (
            sum(text == task.gold for task, text in texts),
            sum(bool(text.strip()) and task.gold.startswith(text) for task, text in texts),
            sum(bool(parses(task.whole(text), completion=text, gold=task.gold)) for task, text in texts),
        )
        length = sum(len(text) for _, text in texts) / len(texts)
        table.add_row(name, *(f"{one / len(texts):.3f}" for one in sums), f"{length:.0f}")
    Console(width=120).print(table)


def ends(model: LoadedModel, task: InfillTask) -> list[Place]:
    """The ends of the lines that the model writes when nobody stops it; none where it writes nothing."""
    pieces = (prefix_window(task.prompt), suffix_window(task.suffix))
    request = InfillRequest(document="", pieces=pieces, max_tokens=MAX_TOKENS)
    (canvas,) = canvases(request, model.tokenizer, model.profile, model.max_positions)
    slot, _ = read_context(model, canvas)
    sequence = start_row(model, canvas, sampling_of(request, model, 0), slot)
    denoise(model, [sequence])
    span, end_id = sequence.canvas.spans[0], model.profile.end_id
    tokens = [token for token in span.tokens if token != end_id]
    log_probs = read(model, canvas.context, [*tokens, end_id])
    around, found, log_prob = SyntaxErrors(excerpt_at(*pieces, task.language)), list[Place](), 0.0
    for n in range(len(tokens) + 1):
        span.tokens, span.finish = tokens[:n], "end"
        text = sequence.canvas.fill(span, model.tokenizer, model.profile.mask_id)
        is_last = n == len(tokens)
        if text.strip() and (is_last or model.tokenizer.decode(tokens[n : n + 1]).startswith("\n")):
            is_whole = around.is_whole(text)
            end_log_prob = float(log_probs[n, end_id])
            found.append(Place(text=text, log_prob=log_prob, end_log_prob=end_log_prob, is_whole=is_whole))
        log_prob += 0.0 if is_last else float(log_probs[n, tokens[n]])
    return found


if __name__ == "__main__":
    main()
