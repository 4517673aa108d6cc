"""Say anything to the language server, in any order, for some minutes: a table of messages, or the first failure.

python benchmarks/fuzz_server.py [--minutes M]      from the repository's root, with the test extra
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.lsp_machine import ServerMachine  # noqa: E402


def main(minutes: Annotated[float, typer.Option(help="How long.")] = 1.0) -> None:
    """Print the table; a failure ends with the shortest messages that lead to it."""
    n_messages = n_sessions = 0

    class Counting(ServerMachine):
        def receive(self, message: dict[str, object]) -> None:
            nonlocal n_messages
            n_messages += 1
            super().receive(message)

        def teardown(self) -> None:
            nonlocal n_sessions
            n_sessions += 1
            super().teardown()

    ends = time.monotonic() + minutes * 60
    how = settings(max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    while time.monotonic() < ends:
        run_state_machine_as_test(Counting, settings=how)  # type: ignore[no-untyped-call]
    table = Table("sessions", "messages", "unanswered", "buffers that differ", "crashes")
    table.add_row(f"{n_sessions:,}", f"{n_messages:,}", "0", "0", "0")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
