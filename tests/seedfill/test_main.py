"""The command line as a program: how fast it starts, what it says, which exit codes it ends with."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from seedfill import cli

COMMANDS = [
    "fill",
    "lsp",
    "serve",
    "stop",
    "doctor",
    "train",
    "eval",
    "models",
    "eval calibration",
    "eval infill",
    "eval typing",
    "explain",
    "stats",
    "models list",
]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.run(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *command.split(), "--help")
    assert code == 0
    assert f"Example: seedfill {command}" in " ".join(out.split())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--version")
    assert code == 0
    assert out.startswith("seedfill ")


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ([], 2, "Name a command"),
        (["nonsense"], 2, "No such command"),
        (["fill"], 2, "Missing argument"),
        (["fill", "a.py"], 2, "Give either --at LINE:COL or --holes"),
        (["fill", "a.py", "--at", "1:1", "--holes"], 2, "Give either"),
        (["fill", "a.py", "--at", "1:1", "--candidates", "17"], 2, "--candidates"),
        (["fill", "none.py", "--at", "1:1"], 2, "There is no file none.py."),
        (["fill", "a.py", "--at", "1"], 2, "--at needs LINE:COL"),
        (["fill", "a.py", "--at", "3:1"], 2, "has 2 lines, so it has no line 3"),
        (["fill", "a.py", "--at", "1:1", "--seed", "-1"], 2, "seed must be from 0"),
        (["fill", "a.py", "--holes"], 3, "nothing to fill"),
        (["fill", "a.py", "--holes", "--hole-marker", ""], 2, "must not be empty"),
        (["eval", "infill", "none.jsonl"], 2, "There is no task file"),
        (["eval", "infill", "a.py"], 2, "Line 1 of a.py is not JSON."),
        (["eval", "infill", "a.py", "--out", "none/x.jsonl"], 2, "There is no folder"),
        (["eval", "infill", "a.py", "--out", "."], 2, "is not a regular file"),
        (["eval", "infill", "a.py", "--out", "a.py/x.jsonl"], 2, "There is no folder"),
        (["eval", "infill", "a.py", "--policy", "luck"], 2, "--policy"),
        (["serve", "--memory-budget", "much"], 2, "a size looks like 800M or 6G"),
        (["serve", "--device", "nonsense"], 2, "There is no device 'nonsense': choose one of auto"),
        (["serve", "--device", "cpu:x"], 2, "There is no device 'cpu:x'"),
        (["stop"], 3, "No sampler service runs"),
        (["explain"], 3, "nothing to explain"),
        (["train", "nonsense"], 2, "No such command"),
        (["train", "run", "mask-smoke", "--folder", "a.py"], 2, "a.py cannot be written: name a folder with --folder"),
    ],
)
def test_bad_usage_ends_with_one_sentence(
    arguments: list[str],
    code: int,
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    Path("a.py").write_text("x = 1\n")
    ended, _, err = run(capsys, *arguments)
    assert ended == code
    assert complaint in err
    assert err.count("\n") == 1
    assert Path("a.py").read_text() == "x = 1\n"


def test_an_error_inside_is_one_sentence_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the\nworks")

    monkeypatch.setattr(cli, "app", broken)
    code, out, err = run(capsys, "doctor")
    assert (code, out) == (1, "")
    assert err == "seedfill: An error inside seedfill, RuntimeError: the works (SEEDFILL_TRACEBACK=1 shows where).\n"


def test_ctrl_c_is_one_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sampler.protocol.client.stop_service", interrupted)
    assert run(capsys, "stop") == (1, "", "seedfill: Interrupted.\n")


@pytest.mark.parametrize("arguments", [["--help"], ["fill", "none.py", "--at", "1:1"], ["stop"]])
def test_light_commands_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import json, sys\n"
        "from seedfill import cli\n"
        f"cli.run({arguments!r})\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    heavy = {"torch", "pygls", "lsprotocol", "numpy", "uvicorn", "starlette", "tokenizers"}
    assert loaded & heavy == set()
    assert arguments == ["stop"] or "httpcore" not in loaded


def test_a_closed_pipe_is_no_crash() -> None:
    command = [sys.executable, "-m", "seedfill", "--help"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "arguments",
    [["doctor"], ["fill", "a.py", "--at", "1:1"], ["stop"], ["models", "list"], ["stats"], ["explain"], ["serve"]],
    ids=" ".join,
)
def test_without_a_home_it_is_one_sentence(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a HOME nor an entry in the passwords' file, as in some containers."""
    for name in (*os.environ.keys() & {"HOME"}, *(name for name in os.environ if name.startswith("XDG_"))):
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", _nobody)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").touch()
    assert cli.run(arguments) == 1
    (sentence,) = capsys.readouterr().err.strip().splitlines()
    assert sentence.removeprefix("seedfill: ").startswith("There is no home folder: set HOME")


def _nobody(uid: int) -> NoReturn:
    raise KeyError(uid)


@pytest.mark.parametrize(
    ("command_line", "sentence"),
    [
        ("filll", "No such command 'filll' (did you mean 'fill'?; see --help)."),
        ("xyzzy", "No such command 'xyzzy' (see --help)."),
        ("fill x --nope", "No such option: --nope (possible options: --holes, --model; see --help)."),
        ("fill", "Missing argument 'file' (see --help)."),
        ("fill --at", "Option '--at' requires an argument (see --help)."),
        ("", "Name a command (see --help)."),
    ],
)
def test_a_usage_error_is_one_sentence(command_line: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, *command_line.split())
    assert (code, err) == (2, f"seedfill: {sentence}\n")
