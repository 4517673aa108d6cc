"""What `seedfill fill` takes of the model's text: what an editor would show; where that is nothing, the text itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from sampler.protocol.messages import Candidate, InfillRequest, InfillResult
from seedfill import cli
from seedfill.commands import fill
from seedfill.commands.presenting import has_one_line, presentable


@pytest.mark.parametrize(
    ("written", "before", "after", "shown"),
    [
        ("self.items))", "    return sum(", ")\n", "self.items"),
        ("x)\n\ndef g():\n    pass", "print(", ")\n", "x"),
        ("1\nb = 2", "a = ", "\nb = 2\n", "1"),
        ("1\nb = 2", "a = ", "\r\nb = 2\r\n", "1"),
        (")", "print(x", ")\n", ")"),
        ("b = 2\nc = 3", "a = 1\n", "\nb = 2\nc = 3\n", "b = 2\nc = 3"),
        ("a b\nc\nd", "print('a b", "')\n", "a b"),
        ("", "a = ", "\n", ""),
    ],
    ids=["bracket", "line", "below", "windows", "only-a-sign", "only-repeated", "confined", "empty"],
)
def test_presentable(written: str, before: str, after: str, shown: str) -> None:
    assert presentable(written, before, after, "python") == shown


def test_room_for_one_line() -> None:
    assert has_one_line("print(", ")\n", "python")
    assert not has_one_line("def f():\n    ", "\n", "python")


class Repeats:
    """Closes each call that is closed already."""

    async def infill(self, request: InfillRequest) -> InfillResult:
        candidates = tuple(
            Candidate(fills=(f"x{i})",) * (len(request.pieces) - 1), tokens=3, forwards=2, confidence=0.5, finish="end")
            for i in range(request.n_candidates)
        )
        return InfillResult(
            candidates=candidates, model="m", device="cpu", ms=1, load_ms=0, tokens_computed=1, cache_miss="cold"
        )


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    monkeypatch.setattr(fill, "ask", lambda question: asyncio.run(question(Repeats(), None)))
    assert cli.run(["fill", *map(str, arguments), "--json"]) == 0
    body: dict[str, Any] = json.loads(capsys.readouterr().out)
    return body


def test_every_candidate_is_presented_and_the_best_one_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.py"
    file.write_bytes(b"print()\r\n")
    body = run(monkeypatch, capsys, file, "--at", "1:7", "--candidates", 2, "--apply")
    assert [one["text"] for one in body["candidates"]] == ["x0", "x1"]
    assert (body["text"], body["tokens"], body["forwards"]) == ("x0", 3, 2)
    assert file.read_bytes() == b"print(x0)\r\n"


def test_every_hole_is_presented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.py"
    file.write_text("print(▢)\nprint(▢)\n")
    body = run(monkeypatch, capsys, file, "--holes", "--apply")
    assert [hole["text"] for hole in body["holes"]] == ["x0", "x0"]
    assert file.read_text() == "print(x0)\nprint(x0)\n"
