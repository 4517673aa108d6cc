"""`seedfill models …`: which models there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seedfill.commands.output import JsonOption, complain, print_json, stderr_console, stdout_console
from seedfill.errors import BadInput, CommandError

if TYPE_CHECKING:
    from sampler.protocol.handshake import Health
    from seedfill.models.catalogue import Entry
    from seedfill.models.sources import OnBytes

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Which models there are.

    Example: seedfill models list
    """


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the installed models, and which of them the running service holds in memory.

    Example: seedfill models list --json
    """
    models, problems = installed_models(running_service())
    for problem in problems:
        complain(problem)
    if as_json:
        print_json({"models": models})
    else:
        _show(models)


DEFAULT_PULL = "qwen2.5-coder-0.5b-instruct"

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="A model of the catalogue.")]


@app.command("pull")
def pull_model(
    model_id: IdArgument = DEFAULT_PULL,
    source: Annotated[
        str | None, typer.Option("--from", metavar="hub|registry|DIR", help="Where to get it; both in turn without.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a model, check that its bytes are the pinned ones, and make it ready. An interrupted pull goes on.

    Example: seedfill models pull qwen2.5-coder-0.5b-instruct
    """
    from seedfill.models.catalogue import find
    from seedfill.models.pull import all_sources, pull

    entry = find(model_id)
    with _progress(entry) as on_bytes:
        pulled = pull(entry, all_sources(source), on_bytes)
    if as_json:
        print_json(asdict(pulled))
    elif pulled.source == "installed":
        print(f"{entry.id} is installed already.")
    else:
        print(f"{entry.id}: {entry.bytes / 1e6:.0f} MB from the {pulled.source}, in {pulled.ms / 1e3:.0f} s.")


@app.command("remove")
def remove_model(model_id: IdArgument, as_json: JsonOption = False) -> None:
    """Delete a pulled model.

    Example: seedfill models remove qwen2.5-coder-0.5b-instruct
    """
    from seedfill.models.catalogue import find
    from seedfill.models.pull import remove

    entry = find(model_id)
    remove(entry)
    if as_json:
        print_json({"id": entry.id, "removed": True})
    else:
        print(f"{entry.id} is removed.")


@app.command("check")
def check_model(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A checkpoint's folder.")], as_json: JsonOption = False
) -> None:
    """Say what a checkpoint is, from its own files, and whether it can be used.

    Example: seedfill models check sampler/weights
    """
    from sampler.model.folder import ModelError
    from seedfill.installed import check_folder

    try:
        found = check_folder(path)
    except ModelError as error:
        raise BadInput(str(error)) from None
    if as_json:
        print_json(found)
    else:
        for key, value in found.items():
            nothing = "any" if key == "languages" else "none"
            print(f"{key}: {value if not isinstance(value, list) else ', '.join(value) or nothing}")


@contextmanager
def _progress(entry: Entry) -> Iterator[OnBytes]:
    """A bar with rate and time left on stderr; nothing where nobody looks."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(entry.id), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = stderr_console()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=entry.bytes)
        yield lambda n_bytes: bar.update(task, completed=n_bytes)


def running_service() -> Health | None:
    """How the shared service does; None when none runs. Never starts one."""
    import asyncio

    from sampler.protocol.client import SamplerClient, SamplerError

    async def ask() -> Health | None:
        async with SamplerClient() as sampler:
            return await sampler.health()

    try:
        return asyncio.run(ask())
    except SamplerError as error:
        raise CommandError(str(error)) from None


def installed_models(health: Health | None) -> tuple[list[dict[str, Any]], list[str]]:
    """A JSON object for each usable model, and a sentence for each that cannot be used."""
    import psutil

    from sampler.model.folder import ModelError
    from seedfill.installed import model_folders, read_model

    loaded = {model.id for model in health.models if model.loaded} if health else set()
    available = psutil.virtual_memory().available
    models, problems = [], []
    for folder in model_folders():
        try:
            model = read_model(folder)
        except ModelError as error:
            problems.append(str(error))
            continue
        is_loaded = model.id in loaded
        body = asdict(model) | {"folder": str(folder), "loaded": is_loaded}
        models.append(body | {"fits": is_loaded or model.bytes <= available})
    return models, problems


def _show(models: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not models:
        print("No model is installed.")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True, min_width=max(len(model["id"]) for model in models))  # to be copied
    for heading in ("parameters", "size", "licence", "languages", "loaded", "fits"):
        table.add_column(heading)
    for model in models:
        table.add_row(
            Text(model["id"]),
            f"{model['parameters'] / 1e6:.1f} M",
            f"{model['bytes'] / 1e6:.0f} MB",
            Text(model["licence"] or "not stated"),
            Text(", ".join(model["languages"]) or "any"),
            "yes" if model["loaded"] else "no",
            "yes" if model["fits"] else "no",
        )
    stdout_console().print(table)
