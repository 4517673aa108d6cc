"""Editors on one service: what one waits for at a typing pause, alone and among others, and who gets how many texts.

python benchmarks/editors.py [--editors N] [--seconds S]
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sampler.protocol.client import SamplerClient, stop_service
from sampler.protocol.messages import InfillRequest

KEYS, KEY_S, PAUSE_S = 6, 0.15, 1.0
"""Keys of a burst, seconds between them, and the pause behind it, in which an answer is waited for."""
MODULES = (json, random, statistics, contextlib, inspect, tempfile)


async def edit(number: int, ends: float, waits: list[float]) -> int:
    """Type in a file of one's own; adds what is waited for at pauses to `waits`, returns how many texts came."""
    rng = random.Random(number)
    text = inspect.getsource(MODULES[number % len(MODULES)])[:4_000]
    n_texts, at = 0, len(text) // 3
    async with SamplerClient() as sampler:
        while time.monotonic() < ends:
            asking: asyncio.Task[object] | None = None
            for _ in range(KEYS):  # a newer key overtakes the request of the one before it
                if asking is not None and not asking.done():
                    asking.cancel()
                elif asking is not None:
                    n_texts += 1
                at += 1
                asked_at = time.monotonic()
                request = InfillRequest(
                    document=f"{number} file:///{number}.py", pieces=(text[:at], text[at:]), max_tokens=24, forks=False
                )
                asking = asyncio.create_task(sampler.infill(request))
                await asyncio.sleep(KEY_S * rng.uniform(0.5, 1.5))
            if asking is not None:
                await asking
                n_texts += 1
                waits.append(max(time.monotonic() - asked_at, 0.0))
            await asyncio.sleep(PAUSE_S * rng.uniform(0.5, 1.5))
    return n_texts


async def measure(n_editors: int, seconds: float) -> tuple[list[float], list[int]]:
    """Waits in seconds, and texts by editor."""
    async with SamplerClient() as sampler:
        await sampler.infill(InfillRequest(document="warm", pieces=("a = ", "\n"), max_tokens=2))
    waits: list[float] = []
    ends = time.monotonic() + seconds
    texts = await asyncio.gather(*(edit(number, ends, waits) for number in range(n_editors)))
    return waits, texts


def main(
    editors: Annotated[int, typer.Option(help="Beside the run with one.")] = 16,
    seconds: Annotated[float, typer.Option(help="Of each run.")] = 20.0,
) -> None:
    """Print the table."""
    table = Table("editors", "p50 ms", "p95 ms", "fewest texts", "most texts")
    with tempfile.TemporaryDirectory(prefix="sf-") as folder:
        for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
            os.environ[name] = str(Path(folder) / name[4:7].lower())
        for n_editors in (1, editors):
            waits, texts = asyncio.run(measure(n_editors, seconds))
            cuts = statistics.quantiles(waits, n=20)
            table.add_row(
                str(n_editors), f"{cuts[9] * 1e3:.0f}", f"{cuts[18] * 1e3:.0f}", str(min(texts)), str(max(texts))
            )
        stop_service()
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
