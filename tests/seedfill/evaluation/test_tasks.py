"""Task files are read whole or refused, and limits are spread over the problems."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedfill.errors import BadInput
from seedfill.evaluation.tasks import InfillTask, evenly, read_tasks, spread

TASK = {"task_id": "S/HumanEval/1/L0", "prompt": "a = ", "suffix": "\n", "canonical_solution": "1"}


def task(problem: int, line: int) -> InfillTask:
    return InfillTask(task_id=f"S/P/{problem}/L{line}", prompt="", suffix="", gold="")


@pytest.mark.parametrize("packed", [False, True])
def test_read_tasks(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "tasks"
    lines = "\n".join(map(json.dumps, [TASK, TASK | {"test": "def check(f): pass", "entry_point": "f"}])) + "\n\n"
    path.write_bytes(gzip.compress(lines.encode()) if packed else lines.encode())
    plain, tested = read_tasks(path)
    assert plain.whole("1") == "a = 1\n"
    assert plain.problem == "S/HumanEval/1"
    assert tested.program("1").endswith("def check(f): pass\ncheck(f)\n")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "holds no tasks"),
        (b"{", "Line 1 .* is not JSON"),
        (b"[]", "Line 1 .* is not a JSON object"),
        (json.dumps({"task_id": "x"}).encode(), "Line 1 .* needs a string under 'prompt'"),
        (json.dumps(TASK | {"suffix": 1}).encode(), "needs a string under 'suffix'"),
        (json.dumps(TASK | {"test": 1}).encode(), "needs a string under 'test'"),
        (b"\xff\xfe", "not UTF-8"),
        (gzip.compress(b"{}" * 100, mtime=0)[:20], "cannot be read"),
    ],
)
def test_read_refuses_damage(content: bytes, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=complaint):
        read_tasks(path)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 60))
def test_spread_takes_exactly_so_many_and_evenly(sizes: list[int], limit: int) -> None:
    tasks = [task(problem, line) for problem, size in enumerate(sizes) for line in range(size)]
    chosen = spread(tasks, limit)
    assert len(chosen) == min(limit, len(tasks))
    assert [one for one in tasks if one in chosen] == chosen
    counts = Counter(one.problem for one in chosen)
    fullest = max(counts.values())
    for problem, size in enumerate(sizes):
        assert counts[f"S/P/{problem}"] >= min(size, fullest - 1)


def test_evenly_reaches_both_ends() -> None:
    assert evenly(range(100), 4) == [12, 37, 62, 87]
    assert evenly("abc", 3) == ["a", "b", "c"]
    assert evenly("abc", 0) == []


@pytest.mark.parametrize(
    ("task_id", "problem"),
    [("S/HumanEval/1/L0", "S/HumanEval/1"), ("HumanEval/1", "HumanEval/1"), ("17", "17")],
)
def test_problem(task_id: str, problem: str) -> None:
    assert InfillTask(task_id=task_id, prompt="", suffix="", gold="").problem == problem
