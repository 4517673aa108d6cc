"""How sure a model has to be of an edit for it to be shown: measured on edits that it can and that it cannot make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from seedfill.evaluation.calibration import Point, measure
from seedfill.evaluation.edit_tasks import EditTask
from seedfill.evaluation.edits import EditAnswer, EditVerdict
from seedfill.evaluation.metrics import rate
from seedfill.evaluation.tasks import evenly

BEYOND = "beyond"
"""Stands for the kind of an edit that no small model is up to: whatever is done then is wrong."""
BEYOND_SHARE = 4
"""One task more for so many."""
_BEYOND = (
    "translate this to Rust",
    "make this asynchronous",
    "vectorise this with numpy",
    "write unit tests for this",
    "support several languages in the messages",
    "cache the results on disk",
    "make this thread-safe",
    "split this into a module of its own and import it",
    "use a binary search",
    "read the settings from the environment",
    "port this to the new API",
    "make it twice as fast",
)


def with_beyond(tasks: Sequence[EditTask]) -> list[EditTask]:
    """The tasks, and a few of them once more with an instruction that asks for too much."""
    chosen = evenly(tasks, max(len(tasks) // BEYOND_SHARE, 1))
    more = [
        replace(task, task_id=f"{BEYOND}/{i}", kind=BEYOND, instruction=_BEYOND[i % len(_BEYOND)])
        for i, task in enumerate(chosen)
    ]
    return [*tasks, *more]


def floor_figures(
    tasks: Sequence[EditTask], answers: Sequence[EditAnswer], verdicts: Sequence[EditVerdict], target: float
) -> dict[str, Any]:
    """What each floor would show, and the lowest one at which `target` of what is shown is right.

    The answers are those without a floor. Where no floor is good enough it is 1, and `is_reached` false.
    """
    rows = [
        (task.kind == BEYOND, answer.confidence, bool(verdict.passed) and task.kind != BEYOND)
        for task, answer, verdict in zip(tasks, answers, verdicts, strict=True)
    ]
    points: list[Point] = [(confidence, is_right) for _, confidence, is_right in rows if confidence is not None]
    figures = measure(points, target=target)
    floor = 1.0 if figures["floor"] is None else figures["floor"]
    beyond = [confidence is not None and confidence >= floor for is_beyond, confidence, _ in rows if is_beyond]
    shown = [is_right for confidence, is_right in points if confidence >= floor]
    return {
        "n": len(tasks),
        "edited": len(points),
        "floor": floor,
        "is_reached": figures["floor"] is not None,
        "target": target,
        "shown": len(shown) / len(tasks),
        "right": rate(shown),
        "beyond_n": len(beyond),
        "beyond_shown": rate(beyond),
        "calibration_error": figures["calibration_error"],
        "floors": figures["floors"],
    }
