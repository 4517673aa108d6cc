"""Start the service as a process that shares no stream, no terminal and no working folder with its starter."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from sampler.protocol.paths import Place, default_model_folder, log_file, make_private, obstacle

SERVICE_COMMAND = (sys.executable, "-m", "sampler.service")
ALREADY_RUNNING = 3
"""Exit code of a service that found another one at its place."""


def launch(command: Sequence[str], place: Place, *, private: bool) -> subprocess.Popen[bytes]:
    """Run `command` to serve `place`; a private service leaves when its standard input closes.

    Raises PathError, or OSError where the command cannot be run.
    """
    make_private(place.socket.parent)
    environment = dict(os.environ)
    if environment.get("SEEDFILL_MODEL"):
        environment["SEEDFILL_MODEL"] = str(default_model_folder())  # absolute: the working folder changes
    process = subprocess.Popen(
        [*command, "--socket", str(place.socket), *(["--private"] if private else [])],
        stdin=subprocess.PIPE if private else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],  # -m imports from here: never from a project that is being edited
        env=environment,
        start_new_session=True,
    )
    threading.Thread(target=process.wait, daemon=True).start()  # leaves no zombie behind
    return process


def end_private(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Let a private service leave; kill it when it takes longer than `timeout_s`."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def why_failed(place: Place, pid: int, code: int) -> str:
    """Why a process that should have served `place` ended with `code`: its own words where it left any."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        note = json.loads(place.failure.read_text(encoding="utf-8"))
        if note["pid"] == pid:
            return str(note["failure"])
    how = f"exit code {code}" if code > 0 else f"signal {-code}"
    for folder in (place.socket.parent, log_file().parent):  # a full disk takes the reason as well
        if (in_the_way := obstacle(folder)) is not None:
            return f"The sampler service ended at once ({how}): {in_the_way} cannot be written; is its disk full?"
    return f"The sampler service ended at once ({how}): run `seedfill serve` to see why."
