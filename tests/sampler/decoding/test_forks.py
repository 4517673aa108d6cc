"""Other beginnings are written on beside the likeliest, and the best of all is answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sampler.decoding.forks import N_FORKS
from sampler.engine import scheduler
from sampler.engine.job import Job
from sampler.engine.scheduler import Scheduler
from sampler.model import checkpoint
from sampler.model.checkpoint import LoadedModel
from sampler.protocol.messages import Event, InfillRequest, InfillResult, Policy
from sampler.text.syntax_errors import SyntaxErrors, excerpt_at
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


def n_errors(pieces: tuple[str, str], text: str) -> int:
    return SyntaxErrors(excerpt_at(*pieces, "python")).left_by(text)


@pytest.mark.parametrize("policy", ["lookup", "sequential", "fused", "threshold"])
@pytest.mark.parametrize("pieces", PLACES)
def test_with_other_beginnings_no_more_errors_are_left(
    model: LoadedModel, pieces: tuple[str, str], policy: Policy
) -> None:
    request = InfillRequest(document="d", pieces=pieces, max_tokens=24, policy=policy)
    alone, _ = answer(model, replace(request, forks=False))
    result, board = answer(model, request)
    assert len(result.candidates) == 1 and board.counters["forks"] == N_FORKS
    assert result.candidates[0].tokens <= request.max_tokens
    assert n_errors(pieces, result.candidates[0].fills[0]) <= n_errors(pieces, alone.candidates[0].fills[0])


@pytest.mark.parametrize("n_candidates", [2, 3, 8])
@pytest.mark.parametrize("pieces", PLACES)
def test_the_candidates_are_the_best_of_all_beginnings(
    model: LoadedModel, pieces: tuple[str, str], n_candidates: int
) -> None:
    request = InfillRequest(document="d", pieces=pieces, max_tokens=24, n_candidates=n_candidates)
    result, board = answer(model, request)
    assert board.counters["forks"] == max(N_FORKS, n_candidates - 1)
    texts = [candidate.fills[0] for candidate in result.candidates]
    ranks = [
        (n_errors(pieces, text), -candidate.ends[-1].certainty)
        for text, candidate in zip(texts, result.candidates, strict=True)
        if candidate.finish == "end" and candidate.ends
    ]
    assert len(texts) == n_candidates and ranks == sorted(ranks), "few errors first, then the likelier"
    if n_candidates <= N_FORKS:  # of more, more beginnings are tried, one of which may be better
        assert texts[0] == answer(model, replace(request, n_candidates=1))[0].candidates[0].fills[0]


def test_no_two_rows_begin_with_the_same_two_tokens(model: LoadedModel) -> None:
    board, job = Scheduler(), Job(InfillRequest(document="d", pieces=PLACES[0], max_tokens=24), lambda event: None)
    board.admit(job, model)
    rows = job.rows
    while not all(len(row.canvas.spans[0].tokens) >= 2 or row.canvas.is_finished for row in rows):
        board.round()
    begun = [tuple(row.canvas.spans[0].tokens[:2]) for row in rows]
    assert len(begun) == N_FORKS + 1 == len(set(begun))


@pytest.mark.parametrize("n_candidates", [1, 3])
@pytest.mark.parametrize("pieces", PLACES)
def test_leaving_what_cannot_be_the_best_changes_no_answer(
    model: LoadedModel, pieces: tuple[str, str], n_candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = InfillRequest(document="d", pieces=pieces, max_tokens=100, n_candidates=n_candidates)
    result, board = answer(model, request)
    monkeypatch.setattr(scheduler, "prune", lambda rows, n_wanted: None)
    to_their_ends, all_of_them = answer(model, request)
    assert [one.fills for one in result.candidates] == [one.fills for one in to_their_ends.candidates]
    assert board.counters["rounds"] <= all_of_them.counters["rounds"]


@pytest.mark.parametrize(
    "changes",
    [
        {"forks": False},
        {"stream": True},
        {"temperature": 1.0},
        {"max_tokens": 1},
        {"deadline_ms": 0},
        {"one_line": True},
        {"pieces": ("x = f(", "a, b)\ny = 1\n")},
        {"pieces": ("x = ", "", "\n")},
    ],
)
@pytest.mark.parametrize("n_candidates", [1, 3])
def test_where_no_other_beginning_is_wanted_or_possible_there_is_none(
    model: LoadedModel, changes: dict[str, Any], n_candidates: int, caplog: pytest.LogCaptureFixture
) -> None:
    request = InfillRequest(document="d", pieces=PLACES[1], max_tokens=24, n_candidates=n_candidates)
    request = replace(request, **changes)
    result, board = answer(model, request)
    assert board.counters["forks"] == 0 and len(result.candidates) == n_candidates
    n_spans = len(request.pieces) - 1
    assert all(candidate.tokens <= n_spans * request.max_tokens for candidate in result.candidates)
    assert not caplog.records


@pytest.mark.parametrize("n_candidates", [1, 3])
@pytest.mark.parametrize("changes", [{"max_tokens": 2}, {"language": "fortran"}])
def test_with_little_room_or_without_a_grammar_they_are_written_all_the_same(
    model: LoadedModel, changes: dict[str, Any], n_candidates: int, caplog: pytest.LogCaptureFixture
) -> None:
    request = replace(
        InfillRequest(document="d", pieces=PLACES[1], max_tokens=24, n_candidates=n_candidates), **changes
    )
    result, board = answer(model, request)
    assert board.counters["forks"] == N_FORKS and len(result.candidates) == n_candidates
    assert all(candidate.tokens <= request.max_tokens for candidate in result.candidates)
    assert not caplog.records
