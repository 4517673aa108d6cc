"""Confidence against truth: the table, the floor, the picture, and the command over a real engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sampler.protocol.messages import Candidate, Event, InfillRequest, InfillResult
from seedfill import cli
from seedfill.commands.suggested import suggest
from seedfill.evaluation.calibration import draw, is_very_text, lowest_floor, measure
from seedfill.evaluation.tasks import InfillTask
from tests.support.tiny_model import make_tiny_model

PNG = b"\x89PNG\r\n"


def test_a_reliability_table() -> None:
    figures = measure([(0.05, False), (0.95, True), (0.95, False), (1.0, True)], n_bins=2, target=0.5)
    low, high = figures["bins"]
    assert (low["n"], low["confidence"], low["right"]) == (1, 0.05, 0.0)
    assert (high["n"], high["right"]) == (3, pytest.approx(2 / 3))
    assert high["confidence"] == pytest.approx(2.9 / 3)
    assert figures["calibration_error"] == pytest.approx((0.05 + 3 * 0.3) / 4)
    assert [row["shown"] for row in figures["floors"] if row["floor"] in (0.0, 0.5)] == [1.0, 0.75]


@pytest.mark.parametrize(
    ("points", "target", "floor"),
    [
        ([], 0.5, None),
        ([(0.9, True), (0.5, True), (0.1, False)], 1.0, 0.5),
        ([(0.9, True), (0.5, True), (0.1, False)], 0.5, 0.1),
        ([(0.9, False), (0.5, True), (0.1, False)], 0.5, 0.5),
        ([(0.5, True), (0.5, False)], 0.75, None),  # what is equally sure is shown together
        ([(0.99, True)] + [(0.5, False)] * 99, 0.9, None),  # one answer is too few
    ],
)
def test_the_lowest_floor(points: list[tuple[float, bool]], target: float, floor: float | None) -> None:
    assert lowest_floor(points, target) == floor


@pytest.mark.parametrize(
    ("completion", "gold", "is_right"),
    [("x", "x", True), ("x\ny", "x", True), ("x\ny", "x\nz", False), ("x", "x\ny", False), ("x ", "x", False)],
)
def test_a_line_is_judged_as_a_line(completion: str, gold: str, is_right: bool) -> None:
    assert is_very_text(completion, gold) is is_right


def test_nothing_measured_is_none_not_zero() -> None:
    figures = measure([])
    assert figures["n"] == 0
    assert figures["right"] is figures["floor"] is figures["calibration_error"] is figures["bins"][0]["right"] is None


def test_a_picture() -> None:
    pytest.importorskip("matplotlib")
    assert draw(measure([(0.2, False), (0.9, True)]), "title").startswith(PNG)


class Known:
    """Writes the same text at every place."""

    def __init__(self, text: str) -> None:
        self._text = text

    def submit(self, request: InfillRequest, on_event: Callable[[Event], None]) -> None:
        candidate = Candidate(fills=(self._text,), tokens=1, forwards=1, confidence=0.5, finish="end")
        on_event(
            InfillResult(
                candidates=(candidate,), model="", device="", ms=1, load_ms=0, tokens_computed=1, cache_miss="none"
            )
        )


@pytest.mark.parametrize(
    ("written", "shown", "is_right"),
    [("x, y)", "x, y", True), ("x", "x", True), ("z", "z", False), ("x, y)\nprint(1", "x, y", True), (")", "", False)],
)
def test_what_is_shown_is_judged_and_not_what_was_written(written: str, shown: str, is_right: bool) -> None:
    task = InfillTask(task_id="T/1", prompt="f(", suffix=")\n", gold="x, y")
    (found,) = suggest(Known(written), [task])
    assert (found.shown, found.is_right) == (shown, is_right)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    model = make_tiny_model(tmp_path / "tiny")
    task = {"prompt": "def f(x):\n    return ", "suffix": "\n", "canonical_solution": "x"}
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text("".join(json.dumps({"task_id": f"T/{n}", **task}) + "\n" for n in range(3)))
    plot = tmp_path / "reliability.png"
    command = ["eval", "calibration", str(tasks), "--model", str(model), "--device", "cpu", "--max-tokens", "4"]
    assert cli.run([*command, "--plot", str(plot), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["n"] <= 3
    assert len(figures["bins"]) == 10
    assert plot.read_bytes().startswith(PNG)
    assert cli.run(command) == 0
    assert "calibration error" in capsys.readouterr().out
    assert cli.run([*command, "--by", "text", "--write", "--json"]) == 0
    floor = json.loads(capsys.readouterr().out)["floor"]
    written = json.loads((model / "config.json").read_text())["seedfill"]["confidence_floor"]
    assert written == (1.0 if floor is None else round(floor, 4))
    assert cli.run([*command, "--by", "tests"]) == 2
    assert "use --by text" in capsys.readouterr().err
