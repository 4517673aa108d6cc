"""`seedfill edit`: what it asks, what it prints and writes, and how it refuses."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sampler.protocol.messages import Candidate, Event, InfillRequest, InfillResult, Progress
from seedfill import cli
from seedfill.commands import edit
from tests.support.tiny_model import make_tiny_model

CODE = b"def add(a, b):\r\n    return a+b\r\n\r\nprint(add(1, 2))"
NEW = "    return a + b"


class ScriptedSampler:
    def __init__(self, text: str, confidence: float = 0.9) -> None:
        self.requests: list[InfillRequest] = []
        self.best = Candidate(fills=(text,), tokens=7, forwards=3, confidence=confidence, finish="end")

    async def infill(self, request: InfillRequest, *, on_event: Callable[[Event], None] | None = None) -> InfillResult:
        self.requests.append(request)
        if on_event is not None:
            on_event(Progress(fills=("    return \x1b[1ma",)))
        return InfillResult(
            candidates=(self.best,), model="m", device="cpu", ms=12.0, load_ms=0.0, tokens_computed=1, cache_miss="cold"
        )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_bytes(CODE)
    path.chmod(0o640)
    return path


def run(
    monkeypatch: pytest.MonkeyPatch, sampler: ScriptedSampler, *arguments: object, shown: list[Any] | None = None
) -> int:
    show = (shown if shown is not None else []).append
    monkeypatch.setattr(edit, "ask", lambda question: asyncio.run(question(sampler, show)))
    return cli.run(["edit", *map(str, arguments)])


def test_edit_prints_a_diff_that_patch_takes(
    file: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    sampler = ScriptedSampler(NEW)
    assert run(monkeypatch, sampler, file, "--lines", "2:2", "put spaces there") == 0
    printed = capfdbinary.readouterr().out
    assert b"-    return a+b\r\n+    return a + b\r\n" in printed and b"\\ No newline at end of file\n" in printed
    assert file.read_bytes() == CODE
    (request,) = sampler.requests
    assert request.pieces == ("def add(a, b):\n", "\n\nprint(add(1, 2))")
    assert request.edit and request.edit.selection == "    return a+b"
    assert (request.instruction, request.language, request.stream) == ("put spaces there", "python", False)
    if shutil.which("patch"):
        at = file.parent.as_posix().removeprefix("/")
        subprocess.run(["patch", "--binary", "-p1", f"{file.parent}/a.py"], input=printed, check=True, cwd="/")
        assert at and file.read_bytes() == CODE.replace(b"a+b", b"a + b")


def test_apply_writes_the_file_and_keeps_mode_and_line_ends(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sampler = ScriptedSampler(f"{NEW}\n    # sum")
    assert run(monkeypatch, sampler, file, "--lines", "2:2", "do it", "--apply", "--json") == 0
    body = json.loads(capsys.readouterr().out)
    assert body["text"] == "    return a + b\r\n    # sum" and body["applied"] is True
    assert {"diff", "text", "tokens", "forwards", "confidence", "finish", "ms", "load_ms", "model", "device"} < set(
        body
    )
    assert file.read_bytes() == CODE.replace(b"a+b", b"a + b\r\n    # sum")
    assert file.stat().st_mode & 0o777 == 0o640


def test_what_is_to_stay_is_locked_wherever_it_stands(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sampler = ScriptedSampler("def add(a, b):\n    return b+a")
    keep = ("--keep", "a, b", "--keep", "return ")
    assert run(monkeypatch, sampler, file, "--lines", "1:2", "do it", *keep, "--json") == 0
    assert sampler.requests[0].edit and sampler.requests[0].edit.locks == ((8, 12), (19, 26))
    assert json.loads(capsys.readouterr().out)["text"].endswith("b+a")


def test_watch_shows_the_lines_as_they_come(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sampler, shown = ScriptedSampler(NEW), list[Any]()
    assert run(monkeypatch, sampler, file, "--lines", "2:2", "do it", "--watch", shown=shown) == 0
    assert sampler.requests[0].stream
    assert [text.plain for text in shown] == ["Rewriting …\n    return ␛[1ma"]


@pytest.mark.parametrize(
    ("sampler", "arguments", "code", "complaint"),
    [
        (ScriptedSampler("    return a+b"), ["--lines", "2:2", "do it"], 3, "change nothing"),
        (ScriptedSampler(NEW, 0.01), ["--lines", "2:2", "do it"], 3, "not sure how"),
        (ScriptedSampler(NEW), ["--lines", "2", "do it"], 2, "--lines needs A:B"),
        (ScriptedSampler(NEW), ["--lines", "4:2", "do it"], 2, "first line before the last"),
        (ScriptedSampler(NEW), ["--lines", "2:9", "do it"], 2, "has no line 9"),
        (ScriptedSampler(NEW), ["--lines", "0:1", "do it"], 2, "has no line 0"),
        (ScriptedSampler(NEW), ["--lines", "2:2", " "], 2, "Say in the instruction"),
        (ScriptedSampler(NEW), ["--lines", "2:2", "do it", "--keep", "add"], 2, "does not stand in the lines"),
        (ScriptedSampler("    return a"), ["--lines", "2:2", "do it", "--keep", "+b"], 3, "did not keep"),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_the_file(
    sampler: ScriptedSampler,
    arguments: list[str],
    code: int,
    complaint: str,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, sampler, file, *arguments, "--apply", "--json") == code
    out, err = capsys.readouterr()
    assert out == "" and complaint in err and err.count("\n") == 1
    assert file.read_bytes() == CODE


def test_text_that_the_encoding_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(b"# coding: latin-1\nx = '\xe9'\n")
    assert run(monkeypatch, ScriptedSampler("x = '漢'"), file, "--lines", "2:2", "do it", "--apply") == 1
    assert "cannot hold" in capsys.readouterr().err and file.read_bytes().endswith(b"\xe9'\n")


def test_a_real_sampler_edits_or_refuses(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDFILL_MODEL", str(make_tiny_model(tmp_path / "tiny")))
    try:
        code = cli.run(["edit", str(file), "--lines", "2:2", "put spaces there", "--json", "--watch"])
        out, err = capsys.readouterr()
        assert (code, bool(out)) in ((0, True), (3, False)), err
        assert file.read_bytes() == CODE
    finally:
        cli.run(["stop"])
