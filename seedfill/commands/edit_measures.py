"""`seedfill eval presets` and `seedfill eval edit-floor`: what a model's config.json says of its edits, measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from seedfill.commands.measuring import (
    DeviceOption,
    FloorOption,
    LimitOption,
    ModelOption,
    OutOption,
    SeedOption,
    TasksArgument,
    chosen_tasks,
    eager_threshold,
    floor_of_edits,
    own_engine,
    progress_bar,
    write_answers,
)
from seedfill.commands.output import JsonOption, print_json, stdout_console
from seedfill.errors import BadInput
from seedfill.source import replace_file

ParallelOption = Annotated[int, typer.Option(min=1, help="Edits at a time.")]
WriteOption = Annotated[
    bool, typer.Option("--write", help="Write the result into the config.json of the folder that --model names.")
]


def presets(
    tasks: TasksArgument,
    per_preset: Annotated[int, typer.Option(min=1, help="Tasks of each preset, where there are so many.")] = 50,
    min_tasks: Annotated[int, typer.Option(min=1, help="Fewer tasks than that are no measure.")] = 20,
    floor: FloorOption = None,
    parallel: ParallelOption = 4,
    seed: SeedOption = 0,
    out: OutOption = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    write: WriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask for edits in the words of the editor's menu, and say which of its entries the model is good for.

    TASKS come from `seedfill train instruct-set`. An edit passes when the file is the expected one but for its layout:
    equal syntax trees, and the comments kept. Refused edits count as failed. What passes in 60 % is offered.

    Example: seedfill eval presets menu.jsonl --model weights --write
    """
    from lsp_server.edits.presets import MIN_PASS_RATE
    from seedfill.evaluation.edit_tasks import read_edit_tasks
    from seedfill.evaluation.editor import EditOptions, SamplerEditor
    from seedfill.evaluation.edits import prediction

    check_writing(model, write=write)
    asked = _in_menu_words(chosen_tasks(read_edit_tasks, tasks, None, out), per_preset)
    if not asked:
        raise BadInput(f"{tasks} holds no edits that the menu has: `seedfill train instruct-set` makes some.")
    options = EditOptions(seed=seed, floor=floor_of_edits(model, floor), eager_threshold=eager_threshold(model))
    with own_engine(model, device) as engine, progress_bar("Editing", len(asked)) as advance:
        answers, verdicts = _answered(SamplerEditor(engine, options), asked, parallel, advance, strictly=True)
    write_answers(out, [prediction(*pair) for pair in zip(answers, verdicts, strict=True)])
    kinds = _by_preset(asked, answers, verdicts)
    good = {
        kind: round(row["pass_at_1"], 3)
        for kind, row in kinds.items()
        if row["n"] >= min_tasks and row["pass_at_1"] >= MIN_PASS_RATE
    }
    if write:
        write_own(model, presets=good)
    _show_presets({"n": len(asked), "presets": kinds, "offered": good, "written": write}, as_json=as_json)


def edit_floor(
    tasks: TasksArgument,
    limit: LimitOption = None,
    target: Annotated[float, typer.Option(min=0, max=1, help="The share of shown edits that should be right.")] = 0.85,
    parallel: ParallelOption = 4,
    seed: SeedOption = 0,
    out: OutOption = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    write: WriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find how sure the model must be of an edit for it to be shown, so that most of what is shown is right.

    To one task in four an instruction is added that asks for more than a small model can do: an edit is wrong then. The
    floor goes to the model's config.json as "edit_confidence_floor" in the section "seedfill"; it is 1, which refuses
    all edits, where no floor is good enough.

    Example: seedfill eval edit-floor edits.jsonl --limit 400 --model weights --write
    """
    from seedfill.evaluation.edit_floor import floor_figures, with_beyond
    from seedfill.evaluation.edit_tasks import read_edit_tasks
    from seedfill.evaluation.editor import EditOptions, SamplerEditor
    from seedfill.evaluation.edits import prediction

    check_writing(model, write=write)
    asked = with_beyond(chosen_tasks(read_edit_tasks, tasks, limit, out))
    with own_engine(model, device) as engine, progress_bar("Editing", len(asked)) as advance:
        options = EditOptions(seed=seed, floor=0.0, eager_threshold=eager_threshold(model))
        editor = SamplerEditor(engine, options)
        answers, verdicts = _answered(editor, asked, parallel, advance)
    write_answers(out, [prediction(*pair) for pair in zip(answers, verdicts, strict=True)])
    figures = floor_figures(asked, answers, verdicts, target)
    if write:
        write_own(model, edit_confidence_floor=round(figures["floor"], 4))
    _show_floor({**figures, "written": write}, as_json=as_json)


def _in_menu_words(tasks: list[Any], per_preset: int) -> list[Any]:
    """For each preset tasks that it would be offered for, asked as the menu does; `kind` is the preset's."""
    from dataclasses import replace

    from lsp_server.edits.presets import PRESETS
    from seedfill.evaluation.tasks import spread

    return [
        replace(task, kind=preset.kind, instruction=preset.instruction)
        for preset in PRESETS
        for task in spread(
            [task for task in tasks if task.kind in preset.kinds and preset.fits(task.selection)], per_preset
        )
    ]


def _answered(
    editor: Any, asked: list[Any], parallel: int, advance: Any, *, strictly: bool = False
) -> tuple[list[Any], list[Any]]:
    """Answers and verdicts; `strictly`, so that there is one right answer to every task."""
    from dataclasses import replace

    from seedfill.evaluation.edits import answer_edits, judge_edits

    answers = answer_edits(editor, asked, advance, parallel)
    judged = [replace(task, kind="") for task in asked] if strictly else asked
    return answers, judge_edits(judged, answers)


def _by_preset(asked: list[Any], answers: list[Any], verdicts: list[Any]) -> dict[str, Any]:
    from seedfill.evaluation.edits import edit_figures

    kinds: dict[str, Any] = edit_figures(asked, answers, verdicts)["kinds"]
    return dict(sorted(kinds.items(), key=lambda item: -item[1]["pass_at_1"]))


def check_writing(model: Path | None, *, write: bool) -> None:
    """Complain before the work begins of what could not be written afterwards."""
    if write and model is None:
        raise BadInput("--write needs --model FOLDER, whose config.json is to be written.")
    if write:
        _own(model)


def _own(model: Path | None) -> tuple[Path, dict[str, Any]]:
    """The path of a model's config.json and what it holds; raises BadInput where it has no section "seedfill"."""
    assert model is not None
    path = model / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(config["seedfill"], dict):
            return path, config
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise BadInput(f'{path} has no section "seedfill" to write to: name the folder of a model of this package.')


def write_own(model: Path | None, **values: Any) -> None:
    """Set these entries of the section "seedfill" in the model's config.json."""
    path, config = _own(model)
    config["seedfill"].update(values)
    replace_file(path, f"{json.dumps(config, indent=2)}\n".encode())


def _show_presets(body: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(body)
        return
    from rich.table import Table

    from lsp_server.edits.presets import PRESETS

    titles = {preset.kind: preset.title for preset in PRESETS}
    table = Table("preset", "title", "n", "refused", "passed", "offered")
    for kind, row in body["presets"].items():
        is_offered = "yes" if kind in body["offered"] else ""
        table.add_row(kind, titles[kind], str(row["n"]), str(row["refused"]), f"{row['pass_at_1']:.3f}", is_offered)
    stdout_console().print(table)


def _show_floor(body: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(body)
        return
    from rich.table import Table

    table = Table("floor", "shown of the edits", "right of those")
    for row in body["floors"]:
        table.add_row(f"{row['floor']:.2f}", _number(row["shown"]), _number(row["right"]))
    console = stdout_console()
    console.print(table)
    if not body["is_reached"]:
        console.print(f"At no floor {body['target']:.0%} of the edits shown are right, so the floor is 1.")
    console.print(
        f"floor {body['floor']:.3f}: of {body['n']} tasks {_number(body['shown'])} shown,"
        f" {_number(body['right'])} of them right; of {body['beyond_n']} that ask too much"
        f" {_number(body['beyond_shown'])} shown"
    )


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
