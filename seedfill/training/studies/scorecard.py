"""A checkpoint's row of figures on held-out text: what each stage of training is compared by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sampler.engine.engine import Engine
from sampler.model import checkpoint, devices
from sampler.model.folder import ModelError
from seedfill.errors import BadInput
from seedfill.evaluation.edit_tasks import EditTask, read_edit_tasks
from seedfill.evaluation.editor import EditOptions, SamplerEditor
from seedfill.evaluation.edits import answer_edits, edit_figures, judge_edits
from seedfill.evaluation.infill import InfillOptions, Submitter, Verdict, answer_tasks, figures, judge
from seedfill.evaluation.metrics import rate
from seedfill.evaluation.tasks import InfillTask, read_tasks, spread
from seedfill.training.data.corpus import Document
from seedfill.training.data.spans import block_spans, line_spans, repeats
from seedfill.training.objectives.figures import repaired
from seedfill.training.studies.bits import bits_per_byte
from seedfill.training.studies.correction import self_correction
from seedfill.training.studies.tradeoff import best_at_equal_quality, settings

UNTOLD = Verdict(passed=None, floor_passed=None)
TOKENS_A_FORWARD = "tokens_per_forward"
LINE_TOKENS, BLOCK_TOKENS = 48, 128
"""Most tokens of a fill: the longest lines and stretches of lines that are asked for have about as many."""


class BadPlan(Exception):
    """What cannot be measured; the text says why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How much is measured."""

    n_tasks: int = 60
    """Spans of each kind, and texts to correct."""
    n_rows: int = 16
    """Stretches of text whose bits are counted."""
    block_sizes: tuple[int, ...] = (1, 4, 8, 16, 32)
    with_sweep: bool = False
    """Whether every setting of the sweep fills the rests of lines, too."""
    tasks: Sequence[InfillTask] = ()
    """Of a file, for pass@1."""
    edits: Sequence[EditTask] = ()
    """Of a file, for the share of edits that pass."""
    seed: int = 0
    device: str = "auto"


def scorecard(
    folder: Path, documents: Sequence[Document], plan: Plan, log: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """All figures of the checkpoint in `folder`; raises BadPlan with one sentence."""
    model = _load(folder, plan.device)
    log("bits a byte")
    found: dict[str, Any] = {"model": model.id}
    found["bits_per_byte"] = bits_per_byte(model, documents, plan.block_sizes, n_rows=plan.n_rows, seed=plan.seed)
    log("self-correction")
    found["self_correction"] = self_correction(model, documents, n_texts=plan.n_tasks, seed=plan.seed)
    log("repairs")
    found["repaired"] = repaired(model.backbone, documents, model.tokenizer, plan.n_tasks)
    lines = line_spans(documents, plan.n_tasks, plan.seed)
    with closing(Engine(device=plan.device, default_model=folder)) as engine:
        log("spans: line")
        found["line"] = fill_figures(engine, lines, _options(plan, LINE_TOKENS))
        log("spans: lines")
        blocks = block_spans(documents, plan.n_tasks, plan.seed)
        found["lines"] = fill_figures(engine, blocks, _options(plan, BLOCK_TOKENS))
        log("tasks")
        found["tasks"] = _task_figures(engine, plan) if plan.tasks else None
        log("edits")
        found["edits"] = _edit_figures(engine, plan) if plan.edits else None
        if plan.with_sweep:
            found["sweep"] = _sweep(engine, lines, plan, log)
            found["equal_quality"] = best_at_equal_quality(found["sweep"])
    return found


def read_plan_tasks(tasks: Path | None, edits: Path | None, limit: int) -> dict[str, Any]:
    """The task files of a plan, at most `limit` of each; raises BadPlan with one sentence."""
    try:
        return {
            "tasks": spread(read_tasks(tasks), limit) if tasks else (),
            "edits": spread(read_edit_tasks(edits), limit) if edits else (),
        }
    except BadInput as error:
        raise BadPlan(str(error)) from None


def _options(plan: Plan, max_tokens: int, **setting: Any) -> InfillOptions:
    return InfillOptions(seed=plan.seed, n_parallel=8, max_tokens=max_tokens, **setting)


def _task_figures(engine: Engine, plan: Plan) -> dict[str, float | int | None]:
    answers = answer_tasks(engine, plan.tasks, _options(plan, BLOCK_TOKENS))
    body = figures(plan.tasks, answers, judge(plan.tasks, answers))
    return {
        name: body[name]
        for name in ("n", "exact_match", "pass_at_1", "floor_pass_at_1", "parse_rate", TOKENS_A_FORWARD)
    }


def _edit_figures(engine: Engine, plan: Plan) -> dict[str, float | int | None]:
    answers = answer_edits(SamplerEditor(engine, EditOptions(seed=plan.seed)), plan.edits)
    body = edit_figures(plan.edits, answers, judge_edits(plan.edits, answers))
    return {name: body[name] for name in ("n", "refused", "pass_at_1")}


def _load(folder: Path, device: str) -> checkpoint.LoadedModel:
    try:
        model = checkpoint.load(folder, devices.pick_device(device), torch.float32)
    except (ModelError, devices.NoDevice) as error:
        raise BadPlan(str(error)) from None
    if model.profile.name != "seedfill":
        raise BadPlan(f"{model.id} is of the family {model.profile.name}: only our own are read in two streams.")
    return model


def read_sizes(text: str) -> tuple[int, ...]:
    """Block sizes from "1,8,32"; raises BadPlan for anything else."""
    try:
        sizes = tuple(sorted({int(size) for size in text.split(",")}))
    except ValueError:
        sizes = (0,)
    if not all(1 <= size <= 128 for size in sizes):
        raise BadPlan(f"Block sizes are numbers from 1 to 128 with commas between them, not {text!r}.")
    return sizes


def flat(found: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The figures as lines for a person: (name, value)."""
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name} ")
        elif isinstance(value, list):
            for i, point in enumerate(value):
                yield f"{prefix}{name} {i:2}", ", ".join(f"{key} {one}" for key, one in flat(point))
        else:
            yield f"{prefix}{name}", f"{value:.3f}" if isinstance(value, float) else str(value)


def fill_figures(engine: Submitter, tasks: Sequence[InfillTask], options: InfillOptions) -> dict[str, float | None]:
    """Exact match, tokens per forward, parse rate and repetition rate over the tasks' fills."""
    answers = answer_tasks(engine, tasks, options)
    body = figures(tasks, answers, [UNTOLD] * len(tasks))
    names = ("exact_match", "edit_similarity", TOKENS_A_FORWARD, "parse_rate")
    circles = (
        repeats(answer.completion) and not repeats(task.gold) for task, answer in zip(tasks, answers, strict=True)
    )
    return {**{name: body[name] for name in names}, "repetition_rate": rate(circles)}


def _sweep(engine: Engine, tasks: Sequence[InfillTask], plan: Plan, log: Callable[[str], None]) -> list[dict[str, Any]]:
    """A point for each setting: how it samples, and what came out."""
    points = []
    for setting in settings(plan.block_sizes):
        log(f"sweep: {setting}")
        points.append({**setting, **fill_figures(engine, tasks, _options(plan, LINE_TOKENS, **setting))})
    return points
