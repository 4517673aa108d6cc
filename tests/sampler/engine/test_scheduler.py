"""Rounds: who is in a batch, who leaves when, and what each hears."""

from __future__ import annotations

import dataclasses
import itertools
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.decoding import denoise
from sampler.engine import scheduler
from sampler.engine.failures import failure, is_out_of_memory
from sampler.engine.job import Job
from sampler.engine.scheduler import MAX_ROWS, Scheduler
from sampler.model import checkpoint
from sampler.model.checkpoint import LoadedModel
from sampler.model.kv_cache import KeyValues, Tail
from sampler.protocol.messages import (
    BadMessage,
    Edit,
    Event,
    Failure,
    InfillRequest,
    InfillResult,
    Policy,
    Progress,
    Snippet,
)
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return checkpoint.load(make_tiny_model(tmp_path_factory.mktemp("seedfill")))


@pytest.fixture(scope="module")
def dream(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return checkpoint.load(make_tiny_model(tmp_path_factory.mktemp("dream"), "dream"))


class Heard(list[Event]):
    """A job and the events it has told."""

    def __init__(self, *pieces: str, **changes: Any) -> None:
        given = {"document": "d", "pieces": pieces or ("a = ", "\n"), "max_tokens": 12, "forks": False, **changes}
        self.job = Job(InfillRequest(**given), self.append)

    @property
    def result(self) -> InfillResult:
        last = self[-1]
        assert isinstance(last, InfillResult), last
        return last


def answer(model: LoadedModel, *heard: Heard, board: Scheduler | None = None) -> Scheduler:
    board = board or Scheduler()
    for one in heard:
        board.admit(one.job, model)
    while board.active:
        board.round()
    return board


def fills(one: Heard) -> list[tuple[str, ...]]:
    return [candidate.fills for candidate in one.result.candidates]


def committed(one: Heard) -> list[str]:
    return [event.committed for event in one if isinstance(event, Progress)]


def test_a_request_is_answered_and_counted(model: LoadedModel) -> None:
    one = Heard(policy="sequential", max_tokens=7)
    board = answer(model, one)
    (candidate,) = one.result.candidates
    assert candidate.tokens <= 7 and candidate.forwards in (candidate.tokens, candidate.tokens - 1)
    assert candidate.finish in ("end", "length")
    assert 0 < candidate.confidence < 1
    assert one.result.tokens_computed == board.counters["context_tokens"] > 0
    assert (one.result.cache_miss, one.result.device, one.result.model) == ("cold", "cpu", model.id)
    assert board.counters["forwards"] == candidate.forwards


def test_a_typed_character_computes_its_tail_alone(model: LoadedModel) -> None:
    text = "def add(first, second):\n    return first + second\n" * 4
    board = answer(model, Heard(text, "\n"))
    typed, cursor = Heard(text + "x +", "\n"), Heard(text + "x +", "\nprint()\n")
    other = Heard(text, "\n", document="e")
    for one in (typed, cursor, other):
        answer(model, one, board=board)
    assert (typed.result.cache_miss, typed.result.tokens_computed) == ("none", 2)
    assert cursor.result.cache_miss == "suffix"
    assert other.result.cache_miss == "cold"


def test_requests_of_one_batch_get_what_each_gets_alone(model: LoadedModel) -> None:
    def requests() -> list[Heard]:
        return [
            Heard("a = ", "\n", document="1"),
            Heard("def f(", "):\n    return ", "\n", document="2", n_candidates=3, seed=4),
            Heard("x" * 50, "", document="3", policy="verified"),
            Heard("", "", document="4", temperature=1.0, seed=9, stream=True),
        ]

    together, alone = requests(), requests()
    answer(model, *together)
    for one in alone:
        answer(model, one)
    assert [fills(one) for one in together] == [fills(one) for one in alone]
    assert len(fills(together[1])) == 3


def test_candidates_are_ranked_and_the_seed_decides_them(model: LoadedModel) -> None:
    def ask(seed: int) -> Heard:
        one = Heard(n_candidates=4, seed=seed)
        answer(model, one)
        return one

    greedy = Heard()
    answer(model, greedy)
    assert fills(ask(1)) == fills(ask(1)) != fills(ask(2))
    assert fills(greedy)[0] in fills(ask(1)), "the first row is greedy"


def test_progress_grows_to_the_result(model: LoadedModel) -> None:
    one = Heard(stream=True)
    answer(model, one)
    *progress, result = one
    assert progress and all(isinstance(event, Progress) for event in progress)
    assert isinstance(result, InfillResult)
    assert progress[-1].fills == result.candidates[0].fills  # type: ignore[union-attr]


@pytest.mark.parametrize("policy", ["verified", "fused", "lookup", "threshold", "sequential"])
def test_what_is_committed_stays(model: LoadedModel, policy: Policy) -> None:
    """A random model writes every kind of broken character, and line ends of all kinds."""
    heard = [
        Heard("é = '", "'\n", document=f"{seed}", stream=True, seed=seed, temperature=2.0, policy=policy, one_line=line)
        for seed in range(12)
        for line in (False, True)
    ]
    answer(model, *heard)
    for one in heard:
        assert all(later.startswith(text) for text, later in pairwise([*committed(one), fills(one)[0][0]]))
    assert any(len(set(committed(one))) > 1 for one in heard), "it grows step by step"


def test_while_several_candidates_are_at_work_nothing_is_committed(model: LoadedModel, dream: LoadedModel) -> None:
    for one, of in ((Heard(stream=True, n_candidates=2), model), (Heard(stream=True), dream)):
        answer(of, one)
        assert set(committed(one)) == {""}


def test_a_cancelled_request_leaves_and_the_others_stay(model: LoadedModel) -> None:
    board, gone, stays = Scheduler(), Heard(document="1"), Heard(document="2")
    for one in (gone, stays):
        board.admit(one.job, model)
    for _ in range(3):
        board.round()
    (row,) = gone.job.rows
    gone.job.cancel()
    board.round()
    assert board.counters["forwards_cancelled"] == row.n_forwards == 3
    assert board.counters["forwards"] == 3 + stays.job.rows[0].n_forwards == 7, "work for nobody is work too"
    assert [type(event) for event in gone] == [Failure]
    assert gone[0].kind == "cancelled"  # type: ignore[union-attr]
    assert list(board.active) == [stays.job]
    while board.active:
        board.round()
    assert fills(stays)


def test_a_deadline_returns_the_finished_part(model: LoadedModel) -> None:
    asked: dict[str, Any] = {"max_tokens": 40, "policy": "fixed", "language": "plaintext"}
    whole, late = Heard(**asked), Heard(**asked, deadline_ms=1e9)
    answer(model, whole)
    board = Scheduler()
    board.admit(late.job, model)
    for _ in range(9):
        board.round()
    late.job.received -= 2e6
    board.round()
    (candidate,) = late.result.candidates
    assert candidate.finish == "deadline" and 0 < candidate.tokens < whole.result.candidates[0].tokens
    assert fills(whole)[0][0].startswith(candidate.fills[0])


def test_a_deadline_that_has_passed_still_gets_a_result(model: LoadedModel) -> None:
    one = Heard(deadline_ms=0.0)
    answer(model, one)
    assert one.result.candidates[0].finish == "deadline"
    assert one.result.candidates[0].fills == ("",)
    assert one.result.tokens_computed == 0, "nothing is read in vain"


def test_a_deadline_prefers_what_came_to_an_end(dream: LoadedModel) -> None:
    board, late = Scheduler(), Heard(max_tokens=64, policy="fixed", threshold=0.0, deadline_ms=1e9)
    board.admit(late.job, dream)
    while not any(row.canvas.is_finished for row in late.job.rows):
        board.round()
    late.job.received -= 2e6
    board.round()
    assert late.result.candidates[0].finish == "end"


def test_one_line_stops_at_the_first_newline(model: LoadedModel) -> None:
    several = [Heard("a\n", "\n", max_tokens=64, seed=i, temperature=3.0, one_line=True) for i in range(24)]
    answer(model, *several)
    texts = [fills(one)[0][0] for one in several]
    assert not any("\n" in text for text in texts)
    ended = [one.result.candidates[0] for one in several if one.result.candidates[0].finish == "end"]
    assert ended and any(candidate.tokens < 64 for candidate in ended)


def test_requests_take_turns_when_they_do_not_fit_into_one_round(model: LoadedModel) -> None:
    board = Scheduler()
    many = [Heard(document=str(i), n_candidates=16) for i in range(2 * MAX_ROWS // 16 + 1)]
    for one in many:
        board.admit(one.job, model)
    for _ in range(3):
        board.round()
    forwards = [sum(row.n_forwards for row in one.job.rows) / 16 for one in many]
    assert min(forwards) >= 1, "the last one has had its turn"
    assert max(forwards) <= 2


def test_a_failure_stays_with_its_request(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    board, bad, good = Scheduler(), Heard(document="1"), Heard(document="2")
    for one in (bad, good):
        board.admit(one.job, model)
    step, marked = scheduler.denoise_step, bad.job.rows[0]

    def failing_step(model: Any, rows: Any, *rest: Any) -> None:
        if marked in rows:
            raise RuntimeError("broken row")
        step(model, rows, *rest)

    monkeypatch.setattr(scheduler, "denoise_step", failing_step)
    while board.active:
        board.round()
    assert isinstance(bad[-1], Failure) and "broken row" in bad[-1].message
    assert fills(good)


@pytest.mark.parametrize("nth", [1, 2, 4])
@pytest.mark.parametrize("place", ["append", "forward", "take", "unmask", "agreeing"])
@pytest.mark.parametrize(
    ("family", "asked"),
    [
        ("model", {"policy": "verified"}),
        ("model", {"policy": "fused"}),
        ("model", {"policy": "lookup"}),
        ("model", {"policy": "threshold", "block_size": 4}),
        ("model", {"policy": "verified", "pieces": ("a = ", "\nb = ", "\n")}),
        ("model", {"policy": "fixed", "pieces": ("a = ", "\nb = ", "\n")}),
        ("model", {"pieces": ("", ""), "edit": Edit(selection="a = first + second\n", start="selection")}),
        ("dream", {"block_size": 4}),
    ],
    ids=str,
)
def test_memory_that_ends_in_the_middle_of_a_step_changes_no_text(
    family: str,
    asked: dict[str, Any],
    place: str,
    nth: int,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The step is made again, each request alone, with all the keys and values that it needs."""
    model, pieces = request.getfixturevalue(family), asked.get("pieces", ())
    others = {name: value for name, value in asked.items() if name != "pieces"}

    def ask(*, fails: bool) -> list[InfillResult]:
        board, heard = Scheduler(), [Heard(*pieces, document=str(i), **others) for i in range(2)]
        for one in heard:
            board.admit(one.job, model)
        with monkeypatch.context() as patch:
            owner = {"append": Tail, "take": KeyValues}.get(place, denoise)
            patch.setattr(owner, place, _failing_once(getattr(owner, place), nth if fails else 0))
            while board.active:
                board.round()
        return [one.result for one in heard]

    for disturbed, calm in zip(ask(fails=True), ask(fails=False), strict=True):
        for ours, theirs in zip(disturbed.candidates, calm.candidates, strict=True):
            assert (ours.fills, ours.tokens, ours.finish) == (theirs.fills, theirs.tokens, theirs.finish)
            assert ours.confidence == pytest.approx(theirs.confidence, rel=1e-3)


def _failing_once(call: Any, nth: int) -> Any:
    """The same call, which finds no memory at the nth time."""
    count = itertools.count(1)

    def failing(*given: Any) -> Any:
        if next(count) == nth:
            raise torch.OutOfMemoryError("out of memory")
        return call(*given)

    return failing


@pytest.mark.parametrize("policy", ["verified", "sequential", "threshold"])
def test_who_wants_text_does_not_get_nothing(model: LoadedModel, policy: str) -> None:
    """Newlines end these spans too, so that a random model often writes nothing."""
    asked = {"policy": policy, "one_line": True, "max_tokens": 2, "temperature": 9.0, "block_size": 1}
    free = [Heard("a\n", "\n", seed=i, **asked) for i in range(80)]
    wanted = [Heard("a\n", "\n", seed=i, wants_text=True, **asked) for i in range(80)]
    answer(model, *free, *wanted)
    assert any(c.tokens == 1 and c.finish == "end" for one in free for c in one.result.candidates)
    assert not any(c.tokens == 1 and c.finish == "end" for one in wanted for c in one.result.candidates)


def test_a_listener_that_fails_only_loses_its_own_request(model: LoadedModel) -> None:
    def listener(event: Event) -> None:
        raise RuntimeError("gone")

    board, good = Scheduler(), Heard(document="2")
    deaf = Job(InfillRequest(document="1", pieces=("a", "b"), stream=True), listener)
    board.admit(deaf, model)
    answer(model, good, board=board)
    assert fills(good) and deaf.is_done


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"policy": "guess"}, "no policy 'guess'"),
        ({"max_tokens": 1024, "pieces": ("a",) * 9, "instruction": "x" * 9000}, "too long|use up"),
    ],
)
def test_what_cannot_be_done_is_refused(model: LoadedModel, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadMessage, match=sentence):
        Scheduler().admit(Heard(**changes).job, model)


def test_a_family_without_a_causal_reading_refuses_checked_policies(dream: LoadedModel) -> None:
    for policy in ("verified", "sequential"):
        with pytest.raises(BadMessage, match="no causal reading"):
            Scheduler().admit(Heard(policy=policy).job, dream)


def test_a_family_of_fixed_lengths_tries_several(dream: LoadedModel) -> None:
    one = Heard("a = ", "\n", max_tokens=10, n_candidates=3)
    board = Scheduler()
    board.admit(one.job, dream)
    assert sorted({row.canvas.spans[0].limit for row in one.job.rows}) == [4, 8, 10]
    answer(dream, board=board)
    assert len(one.result.candidates) == 3
    confidences = [candidate.confidence for candidate in one.result.candidates]
    assert one.result.cache_miss == "uncached" and max(confidences) <= 1
    assert all(candidate.tokens <= 10 for candidate in one.result.candidates)


def test_holes_are_filled_together(model: LoadedModel, dream: LoadedModel) -> None:
    for one_model in (model, dream):
        one = Heard("def ", "(a):\n    return ", " + ", "\n", max_tokens=6)
        answer(one_model, one)
        assert len(fills(one)[0]) == 3


@given(
    pieces=st.lists(st.text(st.characters(), max_size=30), min_size=2, max_size=9),
    policy=st.sampled_from([None, *get_args(Policy)]),
    one_line=st.booleans(),
    max_tokens=st.integers(1, 20),
    block_size=st.none() | st.integers(1, 128),
    temperature=st.sampled_from([0.0, 1.0, 50.0]),
    top_p=st.sampled_from([0.01, 0.9, 1.0]),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=40, deadline=None)
def test_whatever_is_asked_ends_within_its_bounds(model: LoadedModel, **request: Any) -> None:
    one = Heard(**request, snippets=(Snippet(path="\ud800", text="x = 1\r\n\f"),))
    answer(model, one)
    (candidate,) = one.result.candidates
    n_spans = len(request["pieces"]) - 1
    assert len(candidate.fills) == n_spans
    assert n_spans <= candidate.tokens <= n_spans * request["max_tokens"]
    assert 0 <= candidate.confidence <= 1
    assert candidate.finish in ("end", "length")
    if request["one_line"]:
        assert not any("\n" in fill for fill in candidate.fills)


def test_bfloat16_fills_as_well(tmp_path: Path) -> None:
    half = checkpoint.load(make_tiny_model(tmp_path), "cpu", torch.bfloat16)
    for policy in get_args(Policy):
        one = Heard("def ", "(a):\n    ", "\n", policy=policy)
        answer(half, one)
        assert one.result.candidates[0].tokens > 0


def test_two_models_work_in_one_round(model: LoadedModel, dream: LoadedModel) -> None:
    board, ours, theirs = Scheduler(), Heard(document="1"), Heard(document="1")
    board.admit(ours.job, model)
    board.admit(theirs.job, dream)
    board.round()
    assert all(row.n_forwards for one in (ours, theirs) for row in one.job.rows)
    answer(model, board=board)
    assert fills(ours) and fills(theirs)


def test_slots_go_with_their_model(tmp_path: Path) -> None:
    own = checkpoint.load(make_tiny_model(tmp_path))
    board, one = Scheduler(), Heard()
    answer(own, one, board=board)
    assert board.slot_bytes > 0
    one.job.model = None
    del own
    assert board.slot_bytes == 0


def test_out_of_memory_is_recognised() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: not enough memory: you tried"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert "Memory ran out" in failure(MemoryError()).message


def test_a_profile_may_set_the_default_policy(model: LoadedModel) -> None:
    profile = dataclasses.replace(model.profile, policy="sequential")
    one = Heard(max_tokens=5)
    answer(dataclasses.replace(model, profile=profile), one)
    assert one.result.candidates[0].forwards in (5, 4, 3, 2, 1, 0)
    sequential = Heard(max_tokens=5, policy="sequential")
    answer(model, sequential)
    assert fills(one) == fills(sequential)


@pytest.mark.parametrize("changes", [{}, {"one_line": True}, {"policy": "threshold"}, {"pieces": ("a\n", "b\n")}])
def test_a_fill_says_where_it_could_end_and_how_sure_it_is_up_to_there(
    model: LoadedModel, changes: dict[str, Any]
) -> None:
    one = Heard(*changes.pop("pieces", ()), **changes)
    answer(model, one)
    best = one.result.candidates[0]
    assert best.ends and best.ends[-1].characters <= len(best.fills[0])
    assert all(a.characters < b.characters and 1 >= a.certainty >= b.certainty for a, b in pairwise(best.ends))


def test_several_spans_have_no_common_ends(model: LoadedModel) -> None:
    one = Heard("a", "b", "c")
    answer(model, one)
    assert one.result.candidates[0].ends == ()
