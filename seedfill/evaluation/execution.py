"""Whether a program that a model wrote passes its tests: run apart, in a throw-away folder, under limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from seedfill.evaluation import jail

Outcome: TypeAlias = Literal["passed", "failed", "timeout"]

REPORT = "report"
"""A program may leave a text in a file of this name in its folder."""

PASSED = 87
"""The jail's exit code for a program that ran to its end: one that no program ends with by accident."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one program may use."""

    wall_seconds: float = 10.0
    cpu_seconds: int = 10
    memory_bytes: int = 1 << 30
    file_bytes: int = 1 << 20


DEFAULT_LIMITS = Limits()


def run_program(code: str, limits: Limits = DEFAULT_LIMITS) -> Outcome:
    """Run `code` to its end with no network, few rights and nothing but an empty folder to write to.

    Whatever it leaves behind is killed and removed before this returns.
    """
    return run_reporting(code, limits)[0]


def run_reporting(code: str, limits: Limits = DEFAULT_LIMITS) -> tuple[Outcome, str]:
    """`run_program`, and what the program left in its file `REPORT`."""
    with tempfile.TemporaryDirectory(prefix="seedfill-run-", ignore_cleanup_errors=True) as folder:
        program = Path(folder) / "program.py"
        program.write_text(code, encoding="utf-8", errors="surrogatepass", newline="")
        if os.geteuid() == 0:
            os.chown(folder, jail.NOBODY, jail.NOBODY)
        process = subprocess.Popen(
            _command(program, limits),
            cwd=folder,
            env={"PATH": os.defpath, "HOME": folder, "TMPDIR": folder, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        outcome = _outcome(process, limits.wall_seconds)
        report = Path(folder) / REPORT
        return outcome, report.read_text(encoding="utf-8", errors="replace") if report.is_file() else ""


def run_programs(
    programs: Sequence[str], limits: Limits = DEFAULT_LIMITS, *, n_workers: int | None = None
) -> list[Outcome]:
    """`run_program` of each, several at a time."""
    with ThreadPoolExecutor(n_workers or os.cpu_count()) as pool:
        return list(pool.map(lambda code: run_program(code, limits), programs))


def _command(program: Path, limits: Limits) -> list[str]:
    bounds = (PASSED, limits.cpu_seconds, limits.memory_bytes, limits.file_bytes)
    return [sys.executable, "-I", "-B", jail.__file__, str(program), *map(str, bounds)]


def _outcome(process: subprocess.Popen[bytes], wall_seconds: float) -> Outcome:
    """How it ends; nothing of it is left afterwards."""
    try:
        return "passed" if process.wait(wall_seconds) == PASSED else "failed"
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
