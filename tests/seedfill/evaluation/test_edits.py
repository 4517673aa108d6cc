"""Edits are asked for, judged by tests or by comparison, and summed up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sampler.engine.engine import Engine
from sampler.protocol.messages import Candidate, Event, Failure, Finish, InfillRequest, InfillResult
from seedfill import cli
from seedfill.evaluation.edit_tasks import EditTask, read_edit_tasks
from seedfill.evaluation.editor import EditOptions, EditOutcome, SamplerEditor
from seedfill.evaluation.edits import EditVerdict, answer_edits, edit_figures, judge_edits, n_changed
from seedfill.evaluation.excess import excess_share, written_lines
from tests.seedfill.evaluation.test_edit_tasks import CAN_IT_EDIT, EDIT_EVAL, HUMAN_EVAL_FIX, OWN, QUIX_BUGS
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> list[EditTask]:
    path = tmp_path_factory.mktemp("tasks") / "tasks.jsonl"
    bodies = (CAN_IT_EDIT, EDIT_EVAL, HUMAN_EVAL_FIX, QUIX_BUGS, OWN)
    path.write_text("".join(json.dumps(body) + "\n" for body in bodies))
    return read_edit_tasks(path)


@dataclass
class Scripted:
    """Does to each task what it was told to do, in order."""

    texts: list[str | None]
    asked: list[str] = field(default_factory=list)

    def edit(self, source: str, start: int, end: int, instruction: str, *, language: str) -> EditOutcome:
        self.asked.append(instruction)
        text = self.texts[len(self.asked) - 1]
        return EditOutcome(text=text, refusal="" if text else "No.", forwards=3, ms=10.0)


def test_golds_pass_without_excess_and_change_nothing_else(tasks: list[EditTask]) -> None:
    editor = Scripted([task.gold for task in tasks])
    answers = answer_edits(editor, tasks)
    figures = edit_figures(tasks, answers, judge_edits(tasks, answers))
    assert editor.asked == [task.instruction for task in tasks]
    kinds = figures.pop("kinds")
    assert figures == {
        "n": 6,
        "refused": 0,
        "pass_at_1": 1.0,
        "excess_code": 0.0,
        "outside_changed": 0,
        "diff_ratio": 1.0,
        "forwards": 3.0,
        "ms_p50": 10.0,
        "ms_p95": 10.0,
    }
    assert kinds["lazy"] == {"n": 1, "refused": 0, "pass_at_1": 1.0}


def test_refused_edits_have_failed_and_wrong_ones_too(tasks: list[EditTask]) -> None:
    texts = [None, *(task.source for task in tasks[1:4]), tasks[4].gold, None]
    answers = answer_edits(Scripted(texts), tasks)
    verdicts = judge_edits(tasks, answers)
    assert [verdict.passed for verdict in verdicts] == [False, False, False, False, True, False]
    figures = edit_figures(tasks, answers, verdicts)
    assert figures["refused"] == 2
    assert figures["pass_at_1"] == pytest.approx(1 / 6)
    assert answers[0].completion == tasks[0].source
    assert answers[0].refusal == "No."


def test_what_changes_outside_the_selection_is_counted(tasks: list[EditTask]) -> None:
    task = tasks[-1]
    texts = [task.gold, "y = 1\nb = 2\n", "x = 1\nb = 2", "", "x = 1\nb = 2\n\n"]
    answers = answer_edits(Scripted(texts), [task] * 5)
    verdicts = [EditVerdict(passed=True)] * 5
    assert edit_figures([task] * 5, answers, verdicts)["outside_changed"] == 3


def test_a_language_that_cannot_be_run_is_not_measured(tasks: list[EditTask]) -> None:
    task = EditTask(
        task_id="t", instruction="i", source="a", start=0, end=1, replacement="b", test="x", language="java"
    )
    answers = answer_edits(Scripted(["b"]), [task])
    assert edit_figures([task], answers, judge_edits([task], answers))["pass_at_1"] is None


@pytest.mark.parametrize(
    ("before", "after", "n"),
    [
        ("a\nb\n", "a\nb\n", 0),
        ("a\nb\n", "a\nbc\n", 1),
        ("a\nb\n", "b\n", 2),
        ("", "x = 1\n", 6),
        ("long = 1\n" * 500, "long = 1\n" * 499 + "long = 2\n", 1),
    ],
)
def test_changed_characters(before: str, after: str, n: int) -> None:
    assert n_changed(before, after) == n


def test_excess_is_what_tests_never_run() -> None:
    before = "def f(x):\n    return x\n"
    after = "def f(x):\n    if x > 9:\n        x = 9\n    y = x\n    return y\n"
    assert written_lines(before, after) == {2, 3, 4, 5}
    assert excess_share(before, after, after + "\nassert f(1) == 1\n") == 0.25
    assert excess_share(before, after, after + "\nassert f(10) == 9\n") == 0.0
    assert excess_share(before, after, after + "\nassert False\n") is None
    assert excess_share(before, before + "# words\n", before) is None


class ScriptedEngine:
    """Answers with what it was given."""

    def __init__(self, fill: str, confidence: float = 0.9, finish: Finish = "end") -> None:
        self.best = Candidate(fills=(fill,), tokens=4, forwards=5, confidence=confidence, finish=finish)
        self.requests: list[InfillRequest] = []

    def submit(self, request: InfillRequest, on_event: Callable[[Event], None]) -> object:
        self.requests.append(request)
        if self.best.fills[0] == "fail":
            on_event(Failure(kind="failed", message="It failed."))
            return None
        on_event(
            InfillResult(
                candidates=(self.best,), model="m", device="cpu", ms=7, load_ms=0, tokens_computed=0, cache_miss="none"
            )
        )
        return None


@pytest.mark.parametrize(
    ("engine", "text", "refusal"),
    [
        (ScriptedEngine("b = 2"), "x = 1\nb = 2\n", ""),
        (ScriptedEngine("a = 2"), None, "nothing"),
        (ScriptedEngine("b = 2", confidence=0.1), None, "not sure"),
        (ScriptedEngine("b = 2", finish="length"), None, "no end"),
        (ScriptedEngine("fail"), None, "It failed."),
    ],
)
def test_the_sampler_edits_the_selection_or_refuses(
    tasks: list[EditTask], engine: ScriptedEngine, text: str | None, refusal: str
) -> None:
    (answer,) = answer_edits(SamplerEditor(engine), tasks[-1:])
    assert answer.refused is (text is None)
    assert answer.completion == (text or tasks[-1].source)
    assert refusal in answer.refusal
    (request,) = engine.requests
    assert request.edit is not None
    assert request.edit.selection == "a = 2"
    assert request.instruction == "rename a to b"


def test_options_reach_the_sampler(tasks: list[EditTask]) -> None:
    engine = ScriptedEngine("b = 2", confidence=0.1)
    options = EditOptions(start="masks", floor=0.0, policy="verified", edit_threshold=0.5, seed=3)
    (answer,) = answer_edits(SamplerEditor(engine, options), tasks[-1:])
    assert not answer.refused
    request = engine.requests[0]
    assert request.edit is not None
    assert (request.edit.start, request.edit.threshold, request.policy, request.seed) == ("masks", 0.5, "verified", 3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[Engine]:
    engine = Engine(device="cpu", default_model=model)
    yield engine
    engine.close()


def test_a_real_sampler_leaves_the_rest_of_the_file_alone(engine: Engine, tasks: list[EditTask]) -> None:
    options = EditOptions(floor=0.0, start="masks")
    answers = answer_edits(SamplerEditor(engine, options), tasks)
    figures = edit_figures(tasks, answers, [EditVerdict(passed=None)] * len(tasks))
    assert figures["outside_changed"] == 0
    assert figures["forwards"] > 0


def test_eval_edit_prints_figures_and_writes_predictions(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "tasks.jsonl", tmp_path / "predictions.jsonl"
    path.write_text(json.dumps(OWN) + "\n" + json.dumps(HUMAN_EVAL_FIX) + "\n")
    arguments = ["eval", "edit", str(path), "--model", str(model), "--device", "cpu", "--out", str(out), "--json"]
    assert cli.run([*arguments, "--limit", "2", "--seed", "1"]) == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert printed["n"] == 2
    assert printed["outside_changed"] == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["task_id"] for line in lines] == ["rename/0", "Python/0"]
    assert {"completion", "refused", "forwards", "ms"} <= lines[0].keys()


def test_eval_edit_complains_of_a_file_without_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"a": 1}\n')
    assert cli.run(["eval", "edit", str(path)]) == 2
    assert "no known format" in capsys.readouterr().err
