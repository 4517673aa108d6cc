"""Tasks are answered through the engine, judged by their tests, and summed up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sampler.engine.engine import Engine
from sampler.protocol.messages import Candidate, Event, Failure, InfillRequest, InfillResult, Loading
from seedfill import cli
from seedfill.errors import CommandError
from seedfill.evaluation.infill import Answer, InfillOptions, Verdict, answer_tasks, figures, judge
from seedfill.evaluation.tasks import InfillTask
from tests.support.tiny_model import make_tiny_model

CHECK = "def check(f):\n    assert f(2) == 4\n"


def task(name: str, gold: str = "x * 2", prompt: str = "def f(x):\n    return ", test: str = CHECK) -> InfillTask:
    return InfillTask(task_id=f"T/P/{name}/0", prompt=prompt, suffix="\n", gold=gold, test=test, entry_point="f")


def answer(one: InfillTask, completion: str, **changes: Any) -> Answer:
    return Answer(
        **{"task_id": one.task_id, "completion": completion, "tokens": 4, "forwards": 2, "ms": 10.0, **changes}
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[Engine]:
    engine = Engine(device="cpu", default_model=model)
    yield engine
    engine.close()


class ScriptedEngine:
    """Answers at once: a failure for the prompt "fail", else the prompt's length in tokens."""

    def __init__(self) -> None:
        self.n_open = self.most_open = 0

    def submit(self, request: InfillRequest, on_event: Callable[[Event], None]) -> object:
        on_event(Loading(model="m", fraction=0.5))
        prompt = request.pieces[0]
        if prompt == "fail":
            on_event(Failure(kind="failed", message="It failed."))
            return None
        best = Candidate(fills=(prompt,), tokens=len(prompt), forwards=1, confidence=1, finish="end")
        on_event(
            InfillResult(
                candidates=(best,), model="m", device="cpu", ms=1, load_ms=0, tokens_computed=0, cache_miss="none"
            )
        )
        return None


def test_answers_come_in_the_tasks_order() -> None:
    tasks = [task(str(i), prompt="x" * (i + 1)) for i in range(7)]
    for n_parallel in (1, 3, 20):
        answers = answer_tasks(ScriptedEngine(), tasks, InfillOptions(n_parallel=n_parallel))
        assert [one.task_id for one in answers] == [one.task_id for one in tasks]
        assert [one.tokens for one in answers] == list(range(1, 8))


def test_a_failed_request_is_an_empty_answer() -> None:
    answers = answer_tasks(ScriptedEngine(), [task("0", prompt="fail"), task("1")], InfillOptions())
    assert (answers[0].completion, answers[0].ms, answers[0].error) == ("", None, "It failed.")
    with pytest.raises(CommandError, match="It failed."):
        answer_tasks(ScriptedEngine(), [task("0", prompt="fail")], InfillOptions())


def test_alone_and_in_a_batch_the_figures_of_a_row_are_the_same(engine: Engine) -> None:
    tasks = [task(str(i), prompt=f"def f{i}(x):\n    return ") for i in range(4)]
    alone = answer_tasks(engine, tasks, InfillOptions(max_tokens=12))
    batch = answer_tasks(engine, tasks, InfillOptions(max_tokens=12, n_parallel=4))
    assert [(a.completion, a.tokens, a.forwards) for a in alone] == [
        (a.completion, a.tokens, a.forwards) for a in batch
    ]


@pytest.mark.parametrize("policy", ["threshold", "verified", "sequential"])
def test_every_policy_answers(engine: Engine, policy: Any) -> None:
    (one,) = answer_tasks(engine, [task("0")], InfillOptions(max_tokens=8, policy=policy))
    assert 1 <= one.tokens <= 8
    assert one.error is None
    assert one.ms is not None
    assert one.ms > 0


def test_judge_runs_completions_and_empty_middles() -> None:
    tasks = [task("right"), task("wrong"), task("floor", gold="", prompt="def f(x): return 4"), task("none", test="")]
    answers = [answer(one, text) for one, text in zip(tasks, ["x + x", "x", "", "y"], strict=True)]
    assert judge(tasks, answers) == [
        Verdict(passed=True, floor_passed=False),
        Verdict(passed=False, floor_passed=False),
        Verdict(passed=True, floor_passed=True),
        Verdict(passed=None, floor_passed=None),
    ]


def test_figures() -> None:
    tasks = [task("a"), task("b"), task("c", test="")]
    answers = [
        answer(tasks[0], "x * 2", ms=10.0),
        answer(tasks[1], "x * 3", tokens=2, forwards=3, ms=30.0),
        answer(tasks[2], "", tokens=0, forwards=0, ms=None, error="no"),
    ]
    verdicts = [
        Verdict(passed=True, floor_passed=False),
        Verdict(passed=False, floor_passed=False),
        Verdict(passed=None, floor_passed=None),
    ]
    assert figures(tasks, answers, verdicts) == {
        "n": 3,
        "exact_match": pytest.approx(1 / 3),
        "edit_similarity": pytest.approx((1 + 0.8 + 0) / 3),
        "pass_at_1": 0.5,
        "floor_pass_at_1": 0.0,
        "parse_rate": pytest.approx(2 / 3),
        "tokens_per_forward": 6 / 5,
        "ms_p50": 20.0,
        "ms_p95": pytest.approx(29.0),
    }


def test_figures_without_tests_or_python_are_null() -> None:
    one = InfillTask(task_id="a", prompt="", suffix="", gold="1", language="c")
    body = figures([one], [answer(one, "1", ms=None)], [Verdict(passed=None, floor_passed=None)])
    assert [body[key] for key in ("pass_at_1", "floor_pass_at_1", "parse_rate", "ms_p50", "ms_p95")] == [None] * 5


def test_eval_infill_prints_one_object_and_writes_every_prediction(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks, out = tmp_path / "tasks.jsonl", tmp_path / "predictions.jsonl"
    body = {"prompt": "x = ", "suffix": "\n", "canonical_solution": "1", "test": "assert x == 1"}
    tasks.write_text("".join(json.dumps(body | {"task_id": f"S/P/{i // 3}/{i}"}) + "\n" for i in range(9)))
    arguments = ["eval", "infill", tasks, "--limit", 4, "--out", out, "--model", model, "--json", "--max-tokens", 4]
    assert cli.run(list(map(str, arguments))) == 0
    captured = capsys.readouterr()
    summary = json.loads(captured.out)
    assert summary["n"] == 4
    assert summary["floor_pass_at_1"] == 0
    assert summary["tokens_per_forward"] > 0
    predictions = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["task_id"] for one in predictions] == ["S/P/0/1", "S/P/1/3", "S/P/1/5", "S/P/2/7"]
    assert all({"task_id", "completion", "tokens", "forwards", "ms"} <= set(one) for one in predictions)


def test_eval_infill_with_a_broken_model_fails_before_it_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks, out = tmp_path / "tasks.jsonl", tmp_path / "predictions.jsonl"
    tasks.write_text(json.dumps({"task_id": "1", "prompt": "x = ", "suffix": "\n", "canonical_solution": "1"}))
    out.write_text("old")
    (tmp_path / "empty").mkdir()
    assert cli.run(["eval", "infill", str(tasks), "--out", str(out), "--model", str(tmp_path / "empty")]) == 2
    err = capsys.readouterr().err
    assert "has no config.json" in err
    assert err.count("\n") == 1
    assert out.read_text() == "old"
