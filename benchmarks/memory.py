"""Memory of the service while documents are opened and closed: a table of resident and slot bytes.

python benchmarks/memory.py [--documents N] [--characters N]
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from sampler.protocol.client import SamplerClient
from sampler.protocol.messages import InfillRequest


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


def main(
    documents: Annotated[int, typer.Option(help="Documents that are opened, then closed.")] = 200,
    characters: Annotated[int, typer.Option(help="Of each.")] = 4_000,
) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="sf-") as folder:
        for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
            os.environ[name] = str(Path(folder) / name[4:7].lower())
        rows = asyncio.run(measure(documents, characters))
    table = Table("", "resident MB", "slots MB")
    for moment, resident, slots in rows:
        table.add_row(moment, f"{resident / 1e6:.0f}", f"{slots / 1e6:.0f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
