"""`seedfill models …`: which models there are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from seedfill.commands.output import JsonOption, complain, print_json, stdout_console

if TYPE_CHECKING:
    from sampler.protocol.handshake import Health

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


def running_service() -> Health | None:
    """How the shared service does; None when none runs. Never starts one."""
    import asyncio

    from sampler.protocol.client import SamplerClient

    async def ask() -> Health | None:
        async with SamplerClient() as sampler:
            return await sampler.health()

    return asyncio.run(ask())


def installed_models(health: Health | None) -> tuple[list[dict[str, Any]], list[str]]:
    """A JSON object for each usable model, and a sentence for each that cannot be used."""
    import psutil

    from seedfill.installed import DamagedModel, model_folders, read_model

    loaded = {model.id for model in health.models if model.loaded} if health else set()
    available = psutil.virtual_memory().available
    models, problems = [], []
    for folder in model_folders():
        try:
            model = read_model(folder)
        except DamagedModel as error:
            problems.append(str(error))
            continue
        is_loaded = model.id in loaded
        body = asdict(model) | {"folder": str(folder), "loaded": is_loaded}
        models.append(body | {"fits": is_loaded or model.bytes <= available})
    return models, problems


def _show(models: list[dict[str, Any]]) -> None:
    from rich.table import Table

    if not models:
        print("No model is installed.")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True, min_width=max(len(model["id"]) for model in models))  # to be copied
    for heading in ("parameters", "size", "licence", "languages", "loaded", "fits"):
        table.add_column(heading)
    for model in models:
        table.add_row(
            model["id"],
            f"{model['parameters'] / 1e6:.1f} M",
            f"{model['bytes'] / 1e6:.0f} MB",
            model["licence"] or "not stated",
            ", ".join(model["languages"]) or "any",
            "yes" if model["loaded"] else "no",
            "yes" if model["fits"] else "no",
        )
    stdout_console().print(table)
