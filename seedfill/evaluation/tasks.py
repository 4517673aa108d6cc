"""Infilling tasks in HumanEval-Infilling's format: JSON lines, gzipped or not, one task a line.

Format: https://github.com/openai/human-eval-infilling (`task_id, prompt, suffix, canonical_solution`, and `test`
with `entry_point` where the result can be run).
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from seedfill.errors import BadInput

Item = TypeVar("Item")
_GZIP_MAGIC = b"\x1f\x8b"
_REQUIRED = ("task_id", "prompt", "suffix", "canonical_solution")
_OPTIONAL = ("test", "entry_point", "language")


@dataclass(frozen=True, kw_only=True, slots=True)
class InfillTask:
    """What stands before and after the span, what stood in it, and a test of the whole where there is one."""

    task_id: str
    prompt: str
    suffix: str
    gold: str
    test: str = ""
    entry_point: str = ""
    language: str = "python"

    @property
    def problem(self) -> str:
        """The source problem: the id without its last part, as in SingleLineInfilling/HumanEval/1 | /L0."""
        head, _, _ = self.task_id.rpartition("/")
        return head if "/" in head else self.task_id

    def whole(self, completion: str) -> str:
        """The file with `completion` in the span."""
        return self.prompt + completion + self.suffix

    def program(self, completion: str) -> str:
        """The file and its test, ready to run; raises nothing when the completion is right."""
        call = f"check({self.entry_point})" if self.entry_point and "def check(" in self.test else ""
        return f"{self.whole(completion)}\n{self.test}\n{call}\n"


def read_tasks(path: Path) -> list[InfillTask]:
    """All tasks of a file; raises BadInput with the line at fault."""
    tasks = [_task(body, place) for place, body in json_lines(path)]
    if not tasks:
        raise BadInput(f"{path} holds no tasks.")
    return tasks


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file, gzipped or not, each with its place for complaints; raises BadInput."""
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            place = f"Line {number} of {path}"
            yield place, _object(line, place)


class HasProblem(Protocol):
    """A task that was made, among others, from one source problem."""

    @property
    def problem(self) -> str:
        """The source problem's name."""
        ...


Task = TypeVar("Task", bound=HasProblem)


def spread(tasks: Sequence[Task], limit: int | None) -> list[Task]:
    """Exactly `limit` tasks (all, where there are fewer), as equal a number of each source problem as can be."""
    if limit is None or limit >= len(tasks):
        return list(tasks)
    by_problem: dict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        by_problem[task.problem].append(task)
    groups = list(by_problem.values())
    shares = _shares([len(group) for group in groups], limit)
    return [task for group, share in zip(groups, shares, strict=True) for task in evenly(group, share)]


def evenly(items: Sequence[Item], n: int) -> list[Item]:
    """`n` of the items, in order and at equal distances."""
    return [items[(2 * i + 1) * len(items) // (2 * n)] for i in range(n)]


def _shares(sizes: Sequence[int], total: int) -> list[int]:
    """`total` handed out one each in rounds to whoever has room; the last round goes to an even choice."""
    shares = [0] * len(sizes)
    while total:
        open_ = [i for i, size in enumerate(sizes) if shares[i] < size]
        for i in open_ if len(open_) <= total else evenly(open_, total):
            shares[i] += 1
            total -= 1
    return shares


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if raw.startswith(_GZIP_MAGIC) else raw).decode("utf-8")
    except FileNotFoundError:
        raise BadInput(f"There is no task file {path}.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8 text; give JSON lines, gzipped or not.") from None
    except (OSError, EOFError) as error:  # gzip reports damage as either
        raise BadInput(f"{path} cannot be read: {error}.") from None


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        body = json.loads(line)
    except ValueError:
        raise BadInput(f"{place} is not JSON.") from None
    if not isinstance(body, dict):
        raise BadInput(f"{place} is not a JSON object.")
    return body


def _task(body: dict[str, Any], place: str) -> InfillTask:
    fields = {"gold" if name == "canonical_solution" else name: string(body, name, place) for name in _REQUIRED}
    return InfillTask(**fields, **{name: string(body, name, place) for name in _OPTIONAL if body.get(name)})


def string(body: dict[str, Any], name: str, place: str) -> str:
    """A field that must be a string; raises BadInput with the place at fault."""
    value = body.get(name)
    if not isinstance(value, str):
        raise BadInput(f"{place} needs a string under {name!r}.")
    return value
