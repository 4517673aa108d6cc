"""Editing tasks are recognised by their fields, whoever published them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from seedfill.errors import BadInput
from seedfill.evaluation.edit_tasks import EditTask, read_edit_tasks

CAN_IT_EDIT = {
    "id": 1,
    "full_name": "1_double",
    "before": "def double(x):\n    return x\n",
    "after": "def double(x):\n    return 2 * x\n",
    "tests": "assert double(2) == 4",
    "instruction_descriptive": "Return twice `x`.",
    "instruction_lazy": "double it",
}
EDIT_EVAL = {
    "task_id": "EditEval/1",
    "instruction": "Return one more.",
    "context": "class A:\n{{Code}}\n\na = A()\n",
    "input": "    def f(self):\n        return 0",
    "output": "    def f(self):\n        return 1",
    "test": "def check():\n    assert a.f() == 1",
}
HUMAN_EVAL_FIX = {
    "task_id": "Python/0",
    "prompt": 'def inc(x):\n    """ One more. """\n',
    "declaration": "def inc(x):\n",
    "buggy_solution": "    return x - 1\n",
    "canonical_solution": "    return x + 1\n",
    "test": "def check(inc):\n    assert inc(1) == 2\n\ncheck(inc)",
    "entry_point": "inc",
}
QUIX_BUGS = {
    "name": "first",
    "buggy_program": "def first(xs):\n    return xs[1]",
    "solution": "def first(xs):\n    return xs[0]",
    "docstring": '"""\nThe first.\n"""',
    "tests": "assert first([3, 4]) == 3",
}
OWN = {
    "task_id": "rename/0",
    "kind": "rename",
    "instruction": "rename a to b",
    "source": "x = 1\na = 2\n",
    "start": 6,
    "end": 11,
    "replacement": "b = 2",
}
FORMATS = {
    "canitedit": CAN_IT_EDIT,
    "editeval": EDIT_EVAL,
    "humanevalfix": HUMAN_EVAL_FIX,
    "quixbugs": QUIX_BUGS,
    "own": OWN,
}


def read(folder: Path, *bodies: dict[str, Any]) -> list[EditTask]:
    path = folder / "tasks.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(body) + "\n" for body in bodies).encode()))
    return read_edit_tasks(path)


@pytest.mark.parametrize(
    ("name", "selection", "gold"),
    [
        ("canitedit", "def double(x):\n    return x", "def double(x):\n    return 2 * x\n"),
        ("editeval", EDIT_EVAL["input"], "class A:\n    def f(self):\n        return 1\n\na = A()\n"),
        ("humanevalfix", "    return x - 1", 'def inc(x):\n    """ One more. """\n    return x + 1\n'),
        ("quixbugs", QUIX_BUGS["buggy_program"], '"""\nThe first.\n"""\n\ndef first(xs):\n    return xs[0]'),
        ("own", "a = 2", "x = 1\nb = 2\n"),
    ],
)
def test_a_format_is_recognised_by_its_fields(tmp_path: Path, name: str, selection: str, gold: str) -> None:
    task = read(tmp_path, FORMATS[name])[0]
    assert task.selection == selection
    assert task.gold == gold
    assert task.instruction


def test_canitedit_asks_twice_and_counts_both_apart(tmp_path: Path) -> None:
    tasks = read(tmp_path, CAN_IT_EDIT)
    assert [task.kind for task in tasks] == ["descriptive", "lazy"]
    assert len({task.task_id for task in tasks}) == 2
    assert len({task.problem for task in tasks}) == 1


def test_other_languages_are_named(tmp_path: Path) -> None:
    (task,) = read(tmp_path, {**HUMAN_EVAL_FIX, "task_id": "JavaScript/0"})
    assert task.language == "javascript"


def test_one_file_may_hold_several_formats(tmp_path: Path) -> None:
    assert len(read(tmp_path, *FORMATS.values())) == 6


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"prompt": "x"}, "no known format"),
        ({**EDIT_EVAL, "context": "no slot"}, "the slot"),
        ({**OWN, "end": 99}, "character offsets"),
        ({**OWN, "start": "6"}, "character offsets"),
        ({**QUIX_BUGS, "solution": 3}, "'solution'"),
    ],
)
def test_a_task_that_cannot_be_read_is_named(tmp_path: Path, body: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint) as caught:
        read(tmp_path, OWN, body)
    assert "Line 2" in str(caught.value)


def test_an_empty_file_holds_no_tasks(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no tasks"):
        read(tmp_path)
