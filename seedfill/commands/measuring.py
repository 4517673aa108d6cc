"""What the commands that measure a model share: their options, the tasks, an engine of their own, a progress bar."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sampler.protocol.messages import Policy
from sampler.protocol.paths import obstacle
from seedfill.commands.output import complain, stderr_console
from seedfill.errors import BadInput
from seedfill.source import replace_file

if TYPE_CHECKING:
    from seedfill.evaluation.tasks import Task

LimitOption = Annotated[int | None, typer.Option(min=1, help="So many tasks, spread evenly over the source problems.")]
OutOption = Annotated[Path | None, typer.Option(metavar="PREDICTIONS", help="Write an answer a line to this file.")]
SeedOption = Annotated[int, typer.Option(help="The same seed gives the same answers.")]
PolicyOption = Annotated[Policy | None, typer.Option(help="How positions are chosen; the model's own by default.")]
BlockSizeOption = Annotated[int | None, typer.Option(min=1, max=128, help="Positions denoised together.")]
ThresholdOption = Annotated[float | None, typer.Option(min=0, help="The policy's threshold.")]


def _found(model: Path | None) -> Path | None:
    """The folder of a model that is named by its id."""
    from sampler.protocol.paths import models_folder

    own = models_folder() / model.name if model and len(model.parts) == 1 else None
    return own if own is not None and own.is_dir() else model


ModelOption = Annotated[
    Path | None, typer.Option(help="A model's id or folder; the shipped one by default.", callback=_found)
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
FloorOption = Annotated[
    float | None, typer.Option(min=0, max=1, help="Refuse edits that the model is less sure of; its own by default.")
]
ParserLoopOption = Annotated[
    bool, typer.Option(help="Have what does not parse written again, and leave it out if that does not help.")
]
TasksArgument = Annotated[Path, typer.Argument(help="JSON lines, gzipped or not.", show_default=False)]


def chosen_tasks(read: Callable[[Path], Sequence[Task]], path: Path, limit: int | None, out: Path | None) -> list[Task]:
    """The tasks to answer; complains before the work begins of what would spoil it."""
    from seedfill.evaluation.tasks import spread

    if out is not None:
        check_writable(out)
    chosen = spread(read(path), limit)
    if limit is not None and len(chosen) < limit:
        complain(f"{path} holds {len(chosen)} tasks, not {limit}; all of them are taken.")
    return chosen


def check_writable(out: Path) -> None:
    """Complain before the work begins of a file that could not be written afterwards."""
    folder = out.resolve().parent
    if out.exists() and not out.is_file():  # a folder, or a device that would be replaced by a file
        raise BadInput(f"{out} is not a regular file: name another one to write to.")
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder} to write {out.name} to.")
    if obstacle(folder) is not None:
        raise BadInput(f"{folder} cannot be written: name another place for {out.name}.")


def write_answers(out: Path | None, lines: list[dict[str, Any]]) -> None:
    """An answer a line, where a file is named."""
    if out is not None:
        replace_file(out, "".join(json.dumps(line) + "\n" for line in lines).encode())


def floor_of_edits(model: Path | None, floor: float | None) -> float:
    """How sure a model must be of an edit: as asked for, or as its config.json says."""
    from lsp_server.workspace.model_facts import model_facts

    return model_facts(str(model) if model else None).edit_confidence_floor if floor is None else floor


def eager_threshold(model: Path | None) -> float | None:
    """τ_edit of a model's second look, as its config.json says."""
    from lsp_server.workspace.model_facts import model_facts

    return model_facts(str(model) if model else None).eager_edit_threshold


@contextmanager
def own_engine(model: Path | None, device: str) -> Iterator[Any]:
    """An engine of our own: an evaluation must not take its turn behind somebody's editor."""
    from sampler.model.devices import NoDevice, wait_passively

    wait_passively()
    from sampler.engine.engine import Engine

    if model is not None:
        _check(model)
    try:
        engine = Engine(device=device, default_model=model)
    except NoDevice as error:
        raise BadInput(str(error)) from None
    with closing(engine):
        yield engine


def _check(folder: Path) -> None:
    """Complain of a folder that holds no model now, not once for each task."""
    from sampler.model.folder import ModelError
    from seedfill.installed import read_model

    try:
        read_model(folder)
    except ModelError as error:
        raise BadInput(str(error)) from None


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Any]:
    """A bar on stderr; yields what moves it one step on."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = stderr_console()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=total)
        yield lambda: progress.advance(task)
