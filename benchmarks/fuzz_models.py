"""Spoil models' folders in every way for some minutes: a table of what came of them, or the first that did harm.

python benchmarks/fuzz_models.py [--minutes M]      from the repository's root, with the test extra
"""

from __future__ import annotations

import faulthandler
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.hostile_models import check, check_file, copy, originals, spoil  # noqa: E402

MOST_SECONDS = 60
"""For one folder; whatever takes longer hangs, and is shown where."""
MOST_BYTES = 32 << 30


def main(minutes: Annotated[float, typer.Option(help="How long.")] = 1.0) -> None:
    """Print the table; a failure ends with the shortest changes that lead to it."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    counts: Counter[str] = Counter()
    slowest = 0.0
    ends = time.monotonic() + minutes * 60
    with tempfile.TemporaryDirectory(prefix="sf-") as root:
        os.environ["XDG_CACHE_HOME"] = str(Path(root) / "cache")
        sound = originals(Path(root) / "sound")

        @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), phases=list(Phase)[:-1])
        @given(kind=st.sampled_from(list(sound)), data=st.data())
        def try_one(kind: str, data: st.DataObject) -> None:
            nonlocal slowest
            folder = copy(sound[kind], Path(root) / "m")
            spoil(data.draw, folder)
            faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
            started = time.monotonic()
            if kind == "file":
                check_file(folder / "model.gguf", folder)
                counts["files"] += 1
            else:
                counts["works" if check(folder) else "refused"] += 1
            slowest = max(slowest, time.monotonic() - started)
            faulthandler.cancel_dump_traceback_later()

        while time.monotonic() < ends:
            try_one()
    table = Table("folders that work", "refused with a sentence", "GGUF files", "other ends", "slowest, s")
    table.add_row(f"{counts['works']:,}", f"{counts['refused']:,}", f"{counts['files']:,}", "0", f"{slowest:.1f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
