"""Infilling tasks → answers of a model → figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from queue import SimpleQueue
from typing import Any, Protocol

from sampler.protocol.messages import Event, Failure, InfillRequest, InfillResult, Policy
from sampler.text.windows import prefix_window, suffix_window
from seedfill.errors import BadInput, CommandError
from seedfill.evaluation.execution import DEFAULT_LIMITS, Limits, run_programs
from seedfill.evaluation.metrics import edit_similarity, mean, parses, percentile, rate, ratio
from seedfill.evaluation.tasks import InfillTask


class Submitter(Protocol):
    """The one method of `sampler.engine.engine.Engine` that an evaluation needs."""

    def submit(self, request: InfillRequest, on_event: Callable[[Event], None]) -> object:
        """Queue `request`; `on_event` is called from another thread, last with the result or a failure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InfillOptions:
    """How the tasks are answered. None leaves a choice to the model."""

    seed: int = 0
    max_tokens: int = 128
    n_parallel: int = 1
    policy: Policy | None = None
    block_size: int | None = None
    threshold: float | None = None
    forks: bool = True
    """Whether other beginnings are written on beside the likeliest, as where a person asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a model answered to one task. A failed request is an empty completion with an `error`."""

    task_id: str
    completion: str
    tokens: int
    forwards: int
    ms: float | None
    finish: str | None = None
    confidence: float | None = None
    certainty: float | None = None
    """How likely all of it is right; None where that is not known."""
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the tests said, of a completion and of an empty one in its place; None where there is no test."""

    passed: bool | None
    floor_passed: bool | None


def wait_for(engine: Submitter, request: InfillRequest) -> InfillResult | Failure:
    """The last event of a request, which is waited for here and now."""
    finished: SimpleQueue[InfillResult | Failure] = SimpleQueue()

    def on_event(event: Event) -> None:
        if isinstance(event, InfillResult | Failure):
            finished.put(event)

    engine.submit(request, on_event)
    return finished.get()


def answer_tasks(
    engine: Submitter,
    tasks: Sequence[InfillTask],
    options: InfillOptions,
    on_answer: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """The answers in the tasks' order, `options.n_parallel` requests in the engine at any time.

    Raises BadInput or CommandError when not one task could be answered.
    """
    events: dict[int, InfillResult | Failure] = {}
    finished: SimpleQueue[tuple[int, InfillResult | Failure]] = SimpleQueue()

    def submit(index: int) -> None:
        def on_event(event: Event) -> None:
            if isinstance(event, InfillResult | Failure):
                finished.put((index, event))

        engine.submit(_request(tasks[index], options), on_event)

    waiting = iter(range(len(tasks)))
    for _, index in zip(range(options.n_parallel), waiting, strict=False):
        submit(index)
    while len(events) < len(tasks):
        index, event = finished.get()
        events[index] = event
        on_answer()
        following = next(waiting, None)
        if following is not None:
            submit(following)
    first = events[0]
    if isinstance(first, Failure) and all(isinstance(event, Failure) for event in events.values()):
        raise (BadInput if first.kind == "bad_input" else CommandError)(first.message)
    return [_answer(task, events[index]) for index, task in enumerate(tasks)]


def judge(tasks: Sequence[InfillTask], answers: Sequence[Answer], limits: Limits = DEFAULT_LIMITS) -> list[Verdict]:
    """Run every completion's tests, and those of an empty middle: what any score must be compared with."""
    filled = [task.program(answer.completion) for task, answer in zip(tasks, answers, strict=True)]
    empty = [task.program("") for task in tasks]
    with_test = [i for i, task in enumerate(tasks) if task.test]
    programs = list(dict.fromkeys(program for i in with_test for program in (filled[i], empty[i])))
    passed = {
        program: outcome == "passed" for program, outcome in zip(programs, run_programs(programs, limits), strict=True)
    }
    return [
        Verdict(passed=passed.get(one), floor_passed=passed.get(other))
        for one, other in zip(filled, empty, strict=True)
    ]


def figures(
    tasks: Sequence[InfillTask], answers: Sequence[Answer], verdicts: Sequence[Verdict]
) -> dict[str, float | int | None]:
    """The summary of a run, as documented for `seedfill eval infill --json`."""
    pairs = list(zip(tasks, answers, strict=True))
    milliseconds = [answer.ms for answer in answers if answer.ms is not None]
    return {
        "n": len(pairs),
        "exact_match": rate(answer.completion == task.gold for task, answer in pairs),
        "edit_similarity": mean(edit_similarity(answer.completion, task.gold) for task, answer in pairs),
        "pass_at_1": rate(verdict.passed for verdict in verdicts),
        "floor_pass_at_1": rate(verdict.floor_passed for verdict in verdicts),
        "parse_rate": rate(_parses(task, answer) for task, answer in pairs),
        "tokens_per_forward": ratio(
            sum(answer.tokens for answer in answers), sum(answer.forwards for answer in answers)
        ),
        "ms_p50": percentile(milliseconds, 50),
        "ms_p95": percentile(milliseconds, 95),
    }


def prediction(answer: Answer, verdict: Verdict) -> dict[str, Any]:
    """A task's line in the file of predictions."""
    return {**asdict(answer), "passed": verdict.passed}


def _request(task: InfillTask, options: InfillOptions) -> InfillRequest:
    return InfillRequest(
        document=f"eval:{task.task_id}",
        pieces=(prefix_window(task.prompt), suffix_window(task.suffix)),
        language=task.language,
        max_tokens=options.max_tokens,
        seed=options.seed,
        policy=options.policy,
        block_size=options.block_size,
        threshold=options.threshold,
        forks=options.forks,
    )


def _answer(task: InfillTask, event: InfillResult | Failure) -> Answer:
    if isinstance(event, Failure):
        return Answer(task_id=task.task_id, completion="", tokens=0, forwards=0, ms=None, error=event.message)
    best = event.candidates[0]
    return Answer(
        task_id=task.task_id,
        completion=best.fills[0],
        tokens=best.tokens,
        forwards=best.forwards,
        ms=event.ms,
        finish=best.finish,
        confidence=best.confidence,
        certainty=best.ends[-1].certainty if best.ends else None,
    )


def _parses(task: InfillTask, answer: Answer) -> bool | None:
    if task.language != "python":
        return None
    return parses(task.whole(answer.completion), completion=answer.completion, gold=task.gold)
