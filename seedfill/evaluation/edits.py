"""Editing tasks → edits of a model → figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from seedfill.evaluation.edit_checks import accepts
from seedfill.evaluation.edit_tasks import EditTask
from seedfill.evaluation.editor import Editor
from seedfill.evaluation.excess import excess_share
from seedfill.evaluation.execution import DEFAULT_LIMITS, Limits, run_programs
from seedfill.evaluation.metrics import levenshtein, mean, percentile, rate, ratio


@dataclass(frozen=True, kw_only=True, slots=True)
class EditAnswer:
    """An edit of one task; a refused one leaves the file as it was."""

    task_id: str
    completion: str
    """The whole file after the edit."""
    refused: bool
    forwards: int
    ms: float | None
    refusal: str = ""
    confidence: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EditVerdict:
    """Whether the edit did what was asked (None where nothing could tell), and how much of it nothing needed."""

    passed: bool | None
    excess: float | None = None


def answer_edits(
    editor: Editor, tasks: Sequence[EditTask], on_answer: Callable[[], None] = lambda: None, n_parallel: int = 1
) -> list[EditAnswer]:
    """The answers in the tasks' order; where several are made at a time, ms holds what they share."""

    def answer(task: EditTask) -> EditAnswer:
        outcome = editor.edit(task.source, task.start, task.end, task.instruction, language=task.language)
        on_answer()
        return EditAnswer(
            task_id=task.task_id,
            completion=task.source if outcome.text is None else outcome.text,
            refused=outcome.text is None,
            forwards=outcome.forwards,
            ms=outcome.ms,
            refusal=outcome.refusal,
            confidence=outcome.confidence,
        )

    with ThreadPoolExecutor(n_parallel) as pool:
        return list(pool.map(answer, tasks))


def judge_edits(
    tasks: Sequence[EditTask], answers: Sequence[EditAnswer], limits: Limits = DEFAULT_LIMITS
) -> list[EditVerdict]:
    """Run the tests of the edited files, or compare them with what a person did; a refusal has not passed."""
    runnable = [i for i, task in enumerate(tasks) if task.test and task.language == "python" and not answers[i].refused]
    programs = [tasks[i].program(answers[i].completion) for i in runnable]
    outcomes = dict(zip(runnable, run_programs(programs, limits), strict=True))
    return [
        _verdict(task, answer, outcomes.get(i), limits)
        for i, (task, answer) in enumerate(zip(tasks, answers, strict=True))
    ]


def _verdict(task: EditTask, answer: EditAnswer, outcome: str | None, limits: Limits) -> EditVerdict:
    if answer.refused:
        return EditVerdict(passed=False)
    if not task.test:
        return EditVerdict(passed=accepts(task.kind, task.source, answer.completion, task.gold))
    if outcome is None:  # a language that cannot be run here
        return EditVerdict(passed=None)
    if outcome != "passed":
        return EditVerdict(passed=False)
    program = task.program(answer.completion)
    return EditVerdict(passed=True, excess=excess_share(task.source, answer.completion, program, limits))


def edit_figures(
    tasks: Sequence[EditTask], answers: Sequence[EditAnswer], verdicts: Sequence[EditVerdict]
) -> dict[str, Any]:
    """The summary of a run, as documented for `seedfill eval edit --json`."""
    done = [(task, answer) for task, answer in zip(tasks, answers, strict=True) if not answer.refused]
    milliseconds = [answer.ms for answer in answers if answer.ms is not None]
    return {
        "n": len(tasks),
        "refused": sum(answer.refused for answer in answers),
        "pass_at_1": rate(verdict.passed for verdict in verdicts),
        "excess_code": mean(verdict.excess for verdict in verdicts if verdict.excess is not None),
        "outside_changed": sum(changed_outside(task, answer.completion) for task, answer in done),
        "diff_ratio": ratio(
            sum(n_changed(task.source, answer.completion) for task, answer in done),
            sum(n_changed(task.source, task.gold) for task, _ in done),
        ),
        "forwards": mean(float(answer.forwards) for answer in answers if answer.ms is not None),
        "ms_p50": percentile(milliseconds, 50),
        "ms_p95": percentile(milliseconds, 95),
        "kinds": _by_kind(tasks, answers, verdicts),
    }


def _by_kind(
    tasks: Sequence[EditTask], answers: Sequence[EditAnswer], verdicts: Sequence[EditVerdict]
) -> dict[str, dict[str, float | int | None]]:
    """n, refused and pass_at_1 of each kind apart."""
    kinds: dict[str, list[int]] = {}
    for i, task in enumerate(tasks):
        if task.kind:
            kinds.setdefault(task.kind, []).append(i)
    return {
        kind: {
            "n": len(own),
            "refused": sum(answers[i].refused for i in own),
            "pass_at_1": rate(verdicts[i].passed for i in own),
        }
        for kind, own in sorted(kinds.items())
    }


def prediction(answer: EditAnswer, verdict: EditVerdict) -> dict[str, Any]:
    """A task's line in the file of predictions."""
    return {
        "task_id": answer.task_id,
        "completion": answer.completion,
        "refused": answer.refused,
        "forwards": answer.forwards,
        "ms": answer.ms,
        "refusal": answer.refusal,
        "confidence": answer.confidence,
        "passed": verdict.passed,
    }


def changed_outside(task: EditTask, whole: str) -> bool:
    """Whether a character outside the selection is not what it was."""
    before, after = task.source[: task.start], task.source[task.end :]
    return not (whole.startswith(before) and whole[len(before) :].endswith(after))


def n_changed(before: str, after: str) -> int:
    """Characters that were inserted, deleted or replaced, counted line by line."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    opcodes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return sum(
        levenshtein("".join(old[i1:i2]), "".join(new[j1:j2])) for tag, i1, i2, j1, j2 in opcodes if tag != "equal"
    )
