"""`seedfill eval calibration`: how far a model's confidence can be trusted, so that a floor can be set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seedfill.commands.edit_measures import WriteOption, check_writing, write_own
from seedfill.commands.measuring import (
    DeviceOption,
    LimitOption,
    ModelOption,
    SeedOption,
    TasksArgument,
    check_writable,
    own_engine,
    progress_bar,
)
from seedfill.commands.output import JsonOption, complain, print_json, stderr_console, stdout_console
from seedfill.errors import BadInput
from seedfill.source import replace_file

if TYPE_CHECKING:
    from seedfill.evaluation.calibration import Point


def calibration(
    tasks: TasksArgument,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    by: Annotated[
        Literal["shown", "text", "tests"],
        typer.Option(help="What is right: what an editor shows, the very text, or what passes the tests."),
    ] = "shown",
    bins: Annotated[int, typer.Option(min=2, max=50, help="Rows of the table.")] = 10,
    target: Annotated[
        float, typer.Option(min=0, max=1, help="The share of what is shown that should be right, for the floor.")
    ] = 0.3,
    plot: Annotated[Path | None, typer.Option(metavar="PNG", help="Draw the table to this file.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, max=1024, help="The longest answer, in tokens.")] = 64,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    write: WriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show how often a model is right where it says it is sure, and how sure it should be for a text to be shown.

    How sure it is of a text: the product of its confidences in the text's tokens.

    The floor goes to the model's config.json as "confidence_floor" in the section "seedfill", or to an editor's
    settings as completion.confidenceFloor; where none is good enough, 1 is written, and hardly anything comes unasked.
    What an editor shows is right when the text goes on so. calibration_error is the mean distance between confidence
    and truth. Choose a floor by other tasks than those that a model is compared with others by.

    Example: seedfill eval calibration tasks.jsonl --target 0.5 --plot reliability.png --model weights --write
    """
    from seedfill.evaluation.calibration import draw, measure
    from seedfill.evaluation.tasks import read_tasks, spread

    check_writing(model, write=write)
    if plot is not None:
        check_writable(plot)
    chosen = spread(read_tasks(tasks), limit)
    if by == "tests" and not any(task.test for task in chosen):
        raise BadInput(f"{tasks} holds no tests: use --by text.")
    with own_engine(model, device) as engine, progress_bar("Answering", len(chosen)) as advance:
        points = _points(engine, chosen, by, max_tokens, seed, advance)
    if len(points) < len(chosen):
        complain(f"{len(chosen) - len(points)} of {len(chosen)} tasks got no text or cannot be judged.")
    figures = measure(points, n_bins=bins, target=target)
    if plot is not None:
        replace_file(plot, draw(figures, title=f"{tasks.name}: {len(points)} answers"))
    if write:
        write_own(model, confidence_floor=1.0 if figures["floor"] is None else round(figures["floor"], 4))
    if as_json:
        print_json({**figures, "written": write})
    else:
        _show(figures)


def _points(
    engine: Any, tasks: list[Any], by: str, max_tokens: int, seed: int, advance: Callable[[], None]
) -> list[Point]:
    """Confidence and truth of every answer that there is."""
    from seedfill.commands.suggested import suggest
    from seedfill.evaluation.calibration import is_very_text
    from seedfill.evaluation.infill import InfillOptions, answer_tasks, judge

    if by == "shown":
        suggested = suggest(engine, tasks, max_tokens=max_tokens, on_answer=advance)
        return [(one.certainty, one.is_right) for one in suggested if one.shown]
    answers = answer_tasks(engine, tasks, InfillOptions(seed=seed, max_tokens=max_tokens), advance)
    if by == "tests":
        with stderr_console().status("Running the tests …"):
            right = [verdict.passed for verdict in judge(tasks, answers)]
    else:
        right = [is_very_text(answer.completion, task.gold) for task, answer in zip(tasks, answers, strict=True)]
    return [
        (answer.certainty, bool(is_right))
        for answer, is_right in zip(answers, right, strict=True)
        if answer.certainty is not None and answer.completion and is_right is not None
    ]


def _show(figures: dict[str, Any]) -> None:
    from rich.table import Table

    reliability = Table("confidence", "answers", "mean", "right", "")
    for row in figures["bins"]:
        share = row["right"]
        reliability.add_row(
            f"{row['low']:.2f} to {row['high']:.2f}",
            str(row["n"]),
            _number(row["confidence"]),
            _number(share),
            "█" * round(20 * share) if share else "",
        )
    floors = Table("floor", "shown", "right of those")
    for row in figures["floors"]:
        floors.add_row(f"{row['floor']:.2f}", _number(row["shown"]), _number(row["right"]))
    console = stdout_console()
    console.print(reliability)
    console.print(floors)
    console.print(f"{figures['n']} answers, {_number(figures['right'])} right", end="; ")
    console.print(f"calibration error {_number(figures['calibration_error'])}; floor {_number(figures['floor'])}")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
