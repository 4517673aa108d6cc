"""What a model wrote is run to its end, and kept from everything else."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from seedfill.evaluation.execution import REPORT, Limits, Outcome, run_program, run_programs, run_reporting

QUICK = Limits(wall_seconds=20, cpu_seconds=2, memory_bytes=512 << 20, file_bytes=1 << 20)
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="name spaces and Landlock are Linux's")


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("import math, json, typing, re\nassert math.pi > 3", "passed"),
        ("print('x' * 10**6)", "passed"),
        ("open('here.txt', 'w').write('x')", "passed"),
        ("assert __name__ == '__main__'\nassert input", "passed"),
        ("assert False", "failed"),
        ("x = (", "failed"),
        ("x = '\ud800'", "failed"),
        ("raise SystemExit(0)", "failed"),
        ("import os; os._exit(0)", "failed"),
        ("input()", "failed"),
        ("x = bytearray(1 << 30)", "failed"),
        ("open('big', 'wb').write(bytes(2 << 20))", "failed"),
        ("while True: pass", "failed"),
        ("import os\nwhile True: os.fork()", "failed"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", "failed"),
        ("import urllib.request as r\ntry: r.urlopen('http://127.0.0.1:9')\nexcept r.URLError: pass", "passed"),
    ],
)
def test_run_program(program: str, outcome: Outcome) -> None:
    assert run_program(program, QUICK) == outcome


@linux_only
def test_nothing_outside_the_folder_can_be_written(tmp_path: Path) -> None:
    treasure = tmp_path / "treasure"
    treasure.write_text("gold")
    treasure.chmod(0o666)
    tmp_path.chmod(0o777)
    for attack in ("open({!r}, 'w')", "import os; os.remove({!r})", "open({!r} + '2', 'w')"):
        assert run_program(attack.format(str(treasure)), QUICK) == "failed"
    assert treasure.read_text() == "gold"
    assert [file.name for file in tmp_path.iterdir()] == ["treasure"]


@linux_only
def test_nobody_is_reached_by_signals() -> None:
    attack = f"import os\ntry: os.kill({os.getpid()}, {int(signal.SIGUSR1)})\nexcept OSError: pass\nelse: os._exit(1)"
    assert run_program(attack, QUICK) == "passed"


def test_a_program_that_waits_is_ended_in_time() -> None:
    started = time.monotonic()
    assert run_program("import threading; threading.Event().wait()", Limits(wall_seconds=1)) == "timeout"
    assert time.monotonic() - started < 10


@linux_only
def test_children_end_with_the_program() -> None:
    mark = f"seedfill-{os.getpid()}-{time.monotonic_ns()}"
    program = (
        "import os, subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', 'import threading; threading.Event().wait()', {mark!r}],\n"
        "    start_new_session=True)\n"
    )
    assert run_program(program, QUICK) == "passed"
    commands = [_command_line(process) for process in Path("/proc").glob("[0-9]*")]
    assert not [command for command in commands if mark in command]


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # who runs the program is not who made the folder
        monkeypatch.setattr(tempfile, "tempdir", folder)
        program = "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').write('x')\nos.chmod('a/b', 0)"
        assert run_program(program, QUICK) == "passed"
        assert not list(Path(folder).iterdir())


def test_run_programs_keeps_the_order() -> None:
    assert run_programs(["x = 1", "assert 0", "x = 2"], QUICK) == ["passed", "failed", "passed"]


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:  # it has ended since it was listed
        return ""


def test_a_program_may_leave_a_report() -> None:
    assert run_reporting(f"open({REPORT!r}, 'w').write('é')", QUICK) == ("passed", "é")
    assert run_reporting("assert False", QUICK) == ("failed", "")
