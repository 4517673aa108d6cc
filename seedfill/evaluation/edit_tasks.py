"""Editing tasks, as they are published and as we make them: JSON lines, recognised by their fields.

- CanItEdit (https://github.com/nuprl/CanItEdit): `before, after, tests, instruction_descriptive, instruction_lazy`;
  each is two tasks. The whole file is selected.
- EditEval (https://github.com/qishenghu/CodeInstruct): `instruction, context, input, output, test`; the input stands in
  the context's slot and is selected.
- HumanEvalFix (https://github.com/bigcode-project/octopack): `prompt, buggy_solution, canonical_solution, test`; the
  body is selected.
- QuixBugs, as published there: `buggy_program, solution, docstring, tests`; the function is selected.
- Our own (`seedfill train instruct-set`): `kind, instruction, source, start, end, replacement`, offsets in characters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedfill.errors import BadInput
from seedfill.evaluation.tasks import json_lines, string

_SLOT = "{{Code}}"
_LANGUAGES = {"Python": "python", "JavaScript": "javascript", "Java": "java", "CPP": "cpp", "Go": "go", "Rust": "rust"}


@dataclass(frozen=True, kw_only=True, slots=True)
class EditTask:
    """Characters `start` to `end` of `source` are to be rewritten as `instruction` says."""

    task_id: str
    instruction: str
    source: str
    start: int
    end: int
    replacement: str
    """What the selection became where a person did it."""
    test: str = ""
    """A program's second half that fails where the file before it is wrong; none where the file is compared."""
    language: str = "python"
    kind: str = ""
    """Tasks of one kind are also summed up apart; it says how a file without tests is compared."""
    problem: str = ""
    """Tasks of one problem differ in their wording alone."""

    @property
    def gold(self) -> str:
        """The file as a person edited it."""
        return self.source[: self.start] + self.replacement + self.source[self.end :]

    @property
    def selection(self) -> str:
        """What is to be rewritten."""
        return self.source[self.start : self.end]

    def program(self, whole: str) -> str:
        """An edited file and its test, ready to run."""
        return f"{whole}\n\n{self.test}\n"


def read_edit_tasks(path: Path) -> list[EditTask]:
    """All tasks of a file; raises BadInput with the line at fault."""
    tasks = [task for place, body in json_lines(path) for task in _tasks(body, place)]
    if not tasks:
        raise BadInput(f"{path} holds no tasks.")
    return tasks


def _tasks(body: dict[str, Any], place: str) -> Iterator[EditTask]:
    for fields, read in _FORMATS:
        if all(field in body for field in fields):
            yield from read(body, place)
            return
    raise BadInput(
        f"{place} is an edit task of no known format: CanItEdit, EditEval, HumanEvalFix, QuixBugs and our own are read."
    )


def _can_it_edit(body: dict[str, Any], place: str) -> Iterator[EditTask]:
    before, after, test = (string(body, name, place) for name in ("before", "after", "tests"))
    name = str(body.get("full_name") or body.get("id"))
    end, gold_end = (len(text.rstrip("\n")) for text in (before, after))
    for wording in ("descriptive", "lazy"):
        yield EditTask(
            task_id=f"CanItEdit/{name}/{wording}",
            instruction=string(body, f"instruction_{wording}", place),
            source=before,
            start=0,
            end=end,
            replacement=after[:gold_end],
            test=test,
            kind=wording,
            problem=f"CanItEdit/{name}",
        )


def _edit_eval(body: dict[str, Any], place: str) -> Iterator[EditTask]:
    selection, replacement, test = (string(body, name, place) for name in ("input", "output", "test"))
    context = body.get("context") or _SLOT
    if not isinstance(context, str) or _SLOT not in context:
        raise BadInput(f"{place} needs the slot {_SLOT} in its context.")
    before, after = context.split(_SLOT, 1)
    name = string(body, "task_id", place)
    yield EditTask(
        task_id=name,
        instruction=string(body, "instruction", place),
        source=before + selection + after,
        start=len(before),
        end=len(before) + len(selection),
        replacement=replacement,
        test=f"{test}\n\ncheck()",
        problem=name,
    )


def _human_eval_fix(body: dict[str, Any], place: str) -> Iterator[EditTask]:
    prompt, buggy, gold, test = (
        string(body, name, place) for name in ("prompt", "buggy_solution", "canonical_solution", "test")
    )
    name = string(body, "task_id", place)
    selection = buggy.rstrip("\n")
    yield EditTask(
        task_id=name,
        instruction=f"Fix bugs in {string(body, 'entry_point', place)}.",
        source=prompt + buggy,
        start=len(prompt),
        end=len(prompt) + len(selection),
        replacement=gold.rstrip("\n"),
        test=test,
        language=_LANGUAGES.get(name.partition("/")[0], "python"),
        problem=name,
    )


def _quix_bugs(body: dict[str, Any], place: str) -> Iterator[EditTask]:
    name, buggy, gold, test = (string(body, key, place) for key in ("name", "buggy_program", "solution", "tests"))
    head = f"{body['docstring']}\n\n" if body.get("docstring") else ""
    selection = buggy.rstrip("\n")
    yield EditTask(
        task_id=f"QuixBugs/{name}",
        instruction=f"Fix bugs in {name}.",
        source=head + buggy,
        start=len(head),
        end=len(head) + len(selection),
        replacement=gold.rstrip("\n"),
        test=test,
        problem=name,
    )


def _own(body: dict[str, Any], place: str) -> Iterator[EditTask]:
    names = ("task_id", "kind", "instruction", "source", "replacement")
    fields = {name: string(body, name, place) for name in names}
    start, end = body["start"], body["end"]
    if not (type(start) is type(end) is int and 0 <= start <= end <= len(fields["source"])):
        raise BadInput(f"{place} needs character offsets within its source under 'start' and 'end'.")
    yield EditTask(start=start, end=end, problem=fields["task_id"], **fields)


_FORMATS: tuple[tuple[tuple[str, ...], Callable[[dict[str, Any], str], Iterator[EditTask]]], ...] = (
    (("before", "after", "tests"), _can_it_edit),
    (("buggy_solution", "canonical_solution", "test"), _human_eval_fix),
    (("buggy_program", "solution", "tests"), _quix_bugs),
    (("source", "start", "end", "replacement"), _own),
    (("input", "output", "test"), _edit_eval),
)
"""Fields that tell a format from the others, and its reader."""
