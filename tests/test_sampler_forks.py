"""Where the likeliest text leaves a fault, other beginnings are tried, and the best of all is answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sampler import checkpoint
from sampler.checkpoint import LoadedModel
from sampler.faults import Faults, excerpt_at
from sampler.job import Job
from sampler.messages import Event, InfillRequest, InfillResult
from sampler.scheduler import Scheduler
from tests.support.tiny_model import make_tiny_model

PLACES = [
    ("x = 1\n", "\ny = 2\n"),
    ("def f(x):\n    y = x\n", "        return y\n    return x\n"),
    ("for x in y:\n", "        print(x)\n"),
    ("try:\n    f()\n", "    g()\n"),
    ("f(\n", ")\n"),
    ("", "    return 1\n"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return checkpoint.load(make_tiny_model(tmp_path_factory.mktemp("seedfill")))


def answer(model: LoadedModel, request: InfillRequest) -> tuple[InfillResult, Scheduler]:
    events, board = list[Event](), Scheduler()
    board.admit(Job(request, events.append), model)
    while board.active:
        board.round()
    (result,) = (event for event in events if isinstance(event, InfillResult))
    return result, board


def n_faults(pieces: tuple[str, str], result: InfillResult) -> int:
    return Faults(excerpt_at(*pieces, "python")).left_by(result.candidates[0].fills[0])


@pytest.mark.parametrize("policy", ["lookup", "sequential", "fused", "threshold"])
@pytest.mark.parametrize("pieces", PLACES)
def test_other_beginnings_leave_no_more_faults(model: LoadedModel, pieces: tuple[str, str], policy: str) -> None:
    request = InfillRequest(document="d", pieces=pieces, max_tokens=24, policy=policy)
    alone, _ = answer(model, InfillRequest(document="d", pieces=pieces, max_tokens=24, policy=policy, stream=True))
    result, board = answer(model, request)
    assert n_faults(pieces, result) <= n_faults(pieces, alone)
    assert len(result.candidates) == 1
    if not board.counters["forks"]:
        assert result.candidates[0].fills == alone.candidates[0].fills


def test_a_block_without_its_head_is_met_with_other_beginnings_at_once(model: LoadedModel) -> None:
    _, board = answer(model, InfillRequest(document="d", pieces=PLACES[1], max_tokens=24))
    assert board.counters["forks"] == 1
    _, board = answer(model, InfillRequest(document="d", pieces=PLACES[1], max_tokens=24, stream=True))
    assert board.counters["forks"] == 0


def test_a_language_without_a_grammar_has_no_faults(model: LoadedModel) -> None:
    _, board = answer(model, InfillRequest(document="d", pieces=PLACES[1], max_tokens=24, language="fortran"))
    assert board.counters["forks"] == 0


@pytest.mark.parametrize("changes", [{"max_tokens": 1}, {"max_tokens": 2}, {"deadline_ms": 0}, {"n_candidates": 3}])
def test_where_there_is_no_room_or_time_what_was_written_is_answered(
    model: LoadedModel, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    request = replace(InfillRequest(document="d", pieces=PLACES[1], max_tokens=24), **changes)
    result, _ = answer(model, request)
    assert len(result.candidates) == request.n_candidates
    assert all(candidate.tokens <= request.max_tokens for candidate in result.candidates)
    assert not caplog.records


def test_inside_a_line_no_other_beginning_is_tried(model: LoadedModel) -> None:
    _, board = answer(model, InfillRequest(document="d", pieces=("x = f(", "a, b)\ny = 1\n"), max_tokens=24))
    assert board.counters["forks"] == 0
