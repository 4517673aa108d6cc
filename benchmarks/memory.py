"""Memory of the service while documents are opened and closed: a table of resident and slot bytes.

python benchmarks/memory.py [--documents N] [--characters N]
python benchmarks/memory.py --model ID|FOLDER      of loading a model: the peak, and what stays
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import tempfile
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from sampler.protocol.client import SamplerClient
from sampler.protocol.messages import InfillRequest
from sampler.protocol.paths import models_folder


async def measure(n_documents: int, n_characters: int) -> list[tuple[str, int, int]]:
    """(moment, resident bytes, slot bytes) of a private service."""
    rows = []
    async with SamplerClient(mode="private") as sampler:

        async def note(moment: str) -> None:
            health = await sampler.health(start=True)
            assert health is not None
            rows.append((moment, psutil.Process(health.pid).memory_info().rss, health.slot_bytes))

        await note("started")
        for number in range(n_documents):
            text = f"value_{number} = compute({number})\n" * (n_characters // 24)
            await sampler.infill(InfillRequest(document=f"1 file:///{number}", pieces=(text, "\n"), max_tokens=4))
            if number == 0:
                await note("one document read")
        await note(f"{n_documents} documents read")
        await sampler.forget([f"1 file:///{number}" for number in range(n_documents)])
        await asyncio.sleep(1)
        await note("all closed")
    return rows


def load(folder: Path) -> tuple[int, int]:
    """(peak, what stays) in bytes of a process that loads a model; run in one of its own."""
    import torch

    from sampler.engine.memory import give_back
    from sampler.model import prepare

    model = prepare.load(folder, torch.device("cpu"))
    give_back()
    stays = psutil.Process().memory_info().rss
    assert model.n_bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10, stays


def show_loading(folder: Path) -> None:
    """Load a model with an empty cache, then with what that left there, each in a process of its own."""
    table = Table("", "peak MB", "stays MB", "ratio")
    with tempfile.TemporaryDirectory(prefix="sf-") as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        for moment in ("made ready and loaded, as by `models pull`", "loaded"):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                peak, stays = pool.apply(load, (folder,))
            table.add_row(moment, f"{peak / 1e6:.0f}", f"{stays / 1e6:.0f}", f"{peak / stays:.2f}")
    Console().print(table)


def show_documents(n_documents: int, n_characters: int) -> None:
    """Open documents and close them."""
    with tempfile.TemporaryDirectory(prefix="sf-") as folder:
        for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
            os.environ[name] = str(Path(folder) / name[4:7].lower())
        rows = asyncio.run(measure(n_documents, n_characters))
    table = Table("", "resident MB", "slots MB")
    for moment, resident, slots in rows:
        table.add_row(moment, f"{resident / 1e6:.0f}", f"{slots / 1e6:.0f}")
    Console().print(table)


def main(
    documents: Annotated[int, typer.Option(help="Documents that are opened, then closed.")] = 200,
    characters: Annotated[int, typer.Option(help="Of each.")] = 4_000,
    model: Annotated[str, typer.Option(help="Measure how this model is loaded instead.")] = "",
) -> None:
    """Print the table."""
    if model:
        show_loading(next(f for f in (models_folder() / model, Path(model)) if f.is_dir()))
    else:
        show_documents(documents, characters)


if __name__ == "__main__":
    typer.run(main)
