"""Suggestions without a protocol or a process: a sampler that answers when the test says so."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import PurePosixPath

import pytest

from lsp_server.completion.record import record_of
from lsp_server.completion.suggestions import Suggestions
from lsp_server.context.query import Query
from lsp_server.workspace.documents import Snapshot
from lsp_server.workspace.settings import settings_from
from sampler.protocol.messages import Candidate, End, Finish, InfillRequest, InfillResult
from tests.support.hand_clock import HandClock


class HeldSampler:
    """Answers in the order of the test's own calls."""

    def __init__(self) -> None:
        self.asked: list[tuple[InfillRequest, asyncio.Future[InfillResult]]] = []
        self._news = asyncio.Event()

    async def infill(self, request: InfillRequest) -> InfillResult:
        answer: asyncio.Future[InfillResult] = asyncio.get_running_loop().create_future()
        self.asked.append((request, answer))
        self._news.set()
        return await answer

    async def wait_for(self, n_requests: int) -> None:
        async with asyncio.timeout(10):
            while len(self.asked) < n_requests:
                self._news.clear()
                await self._news.wait()

    def answer(
        self,
        number: int,
        *fills: str,
        confidence: float = 1.0,
        tokens: int = 1,
        finish: Finish = "end",
        ends: tuple[tuple[int, float], ...] = (),
    ) -> None:
        """Of a text that is as sure at each of its tokens, or has the `ends` given."""
        candidates = tuple(
            Candidate(
                fills=(fill,),
                tokens=tokens,
                forwards=1,
                confidence=confidence,
                finish=finish,
                ends=tuple(
                    End(characters=at, certainty=certainty)
                    for at, certainty in ends
                    or [(len(fill) * n // tokens, confidence**n) for n in range(1, tokens + 1)]
                ),
            )
            for fill in fills
        )
        self.asked[number][1].set_result(
            InfillResult(
                candidates=candidates,
                model="held",
                device="cpu",
                ms=1.0,
                load_ms=0.0,
                tokens_computed=1,
                cache_miss="none",
            )
        )


def query(
    marked: str, options: dict[str, object] | None = None, *, uri: str = "file:///a.py", invoked: bool = True
) -> Query:
    before, _, after = marked.partition("║")
    snapshot = Snapshot(uri=uri, language="python", version=1, text=before + after)
    settings, complaints = settings_from({"completion": {"speculative": False}}, options)
    assert not complaints
    path = PurePosixPath(uri.removeprefix("file://"))
    return Query(snapshot=snapshot, offset=len(before), settings=settings, path=path, invoked=invoked)


async def suggested(suggestions: Suggestions, sampler: HeldSampler, marked: str, *fills: str) -> tuple[str, ...]:
    """Ask, and let the sampler answer with `fills`."""
    n = len(sampler.asked)
    asking = asyncio.create_task(suggestions.suggest(query(marked)))
    await sampler.wait_for(n + 1)
    sampler.answer(n, *fills)
    return (await asking).texts


@pytest.fixture
async def sampler() -> HeldSampler:
    return HeldSampler()


@pytest.fixture
async def suggestions(sampler: HeldSampler) -> Suggestions:
    return Suggestions(sampler)


async def test_candidates_come_postprocessed_and_each_once(suggestions: Suggestions, sampler: HeldSampler) -> None:
    assert await suggested(suggestions, sampler, "f(║)", "x)", "x", "  ", "y\nz") == ("x", "y")


async def test_the_newer_request_of_a_document_wins(suggestions: Suggestions, sampler: HeldSampler) -> None:
    older = asyncio.create_task(suggestions.suggest(query("a = ║")))
    await sampler.wait_for(1)
    newer = asyncio.create_task(suggestions.suggest(query("a = b║")))
    await sampler.wait_for(2)
    assert (await older).texts == ()
    assert sampler.asked[0][1].cancelled()
    sampler.answer(1, " + c")
    assert (await newer).texts == (" + c",)


async def test_requests_of_two_documents_do_not_disturb_each_other(
    suggestions: Suggestions, sampler: HeldSampler
) -> None:
    one = asyncio.create_task(suggestions.suggest(query("a = ║")))
    await sampler.wait_for(1)
    other = asyncio.create_task(suggestions.suggest(query("b = ║", uri="file:///b.py")))
    await sampler.wait_for(2)
    sampler.answer(0, "1")
    sampler.answer(1, "2")
    assert ((await one).texts, (await other).texts) == (("1",), ("2",))


async def test_being_cancelled_reaches_the_sampler(suggestions: Suggestions, sampler: HeldSampler) -> None:
    asking = asyncio.create_task(suggestions.suggest(query("a = ║")))
    await sampler.wait_for(1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert sampler.asked[0][1].cancelled()


@pytest.mark.parametrize(
    ("later", "rest"),
    [
        ("x = ║\ny\n", ("compute(1)",)),
        ("x = comp║\ny\n", ("ute(1)",)),
        ("x = compute(1║\ny\n", (")",)),
        ("x = compute(║)\ny\n", ("1",)),
    ],
)
async def test_typing_what_was_suggested_takes_the_rest_from_the_cache(
    suggestions: Suggestions, sampler: HeldSampler, later: str, rest: tuple[str, ...]
) -> None:
    await suggested(suggestions, sampler, "x = ║\ny\n", "compute(1)")
    assert (await suggestions.suggest(query(later))).texts == rest
    assert len(sampler.asked) == 1


@pytest.mark.parametrize(
    "later",
    [
        "x = con║\ny\n",  # something else was typed
        "x = compute(1)║\ny\n",  # all of it was typed
        "x =║\ny\n",  # the cursor stands before it
        "z = comp║\ny\n",  # the text before it changed
        "x = comp║\nz\n",  # the text after it changed
        "x = comp║\ny\ny\n",
        "x = comp║)\ny\n",  # a bracket that nothing has opened
    ],
)
async def test_anything_else_is_asked_for(suggestions: Suggestions, sampler: HeldSampler, later: str) -> None:
    await suggested(suggestions, sampler, "x = ║\ny\n", "compute(1)")
    assert await suggested(suggestions, sampler, later, " + 1") == (" + 1",)


@pytest.mark.parametrize(
    ("fill", "later", "rest"),
    [
        ("f(one, g(two)) + 1", "x = f(║)", "one, g(two)"),
        ("f(one, g(two)) + 1", "x = f(one, g(║))", "two"),
        ("f(one, g(two)) + 1", "x = f(one, g(two)║)", None),
        ("f(one, g(two)) + 1", "x = f(one, g(two))║", " + 1"),
        ('d["a)"][0]', 'x = d["║"]', "a)"),
    ],
)
async def test_brackets_that_the_editor_closes_are_typed_through(
    suggestions: Suggestions, sampler: HeldSampler, fill: str, later: str, rest: str | None
) -> None:
    await suggested(suggestions, sampler, "x = ║", fill)
    if rest is None:
        assert await suggested(suggestions, sampler, later, "+ 3") == ("+ 3",)
    else:
        assert (await suggestions.suggest(query(later))).texts == (rest,)


@pytest.mark.parametrize(
    ("marked", "fill", "shown"),
    [
        ("def f(x):\n    ret║\n", "urn x", ("urn x",)),
        ("def f(x):\n    ret║\n", "return x", ("urn x",)),
        ("item = 1\nprint(it║)\n", "em)", ("em",)),
        ("item = 1\nprint(it║em)\n", "em", ()),
        ("self.counter = 1\nself.cou║\n", "self.counter += 1", ("nter += 1",)),
    ],
)
async def test_a_word_that_was_begun_is_finished_not_doubled(
    suggestions: Suggestions, sampler: HeldSampler, marked: str, fill: str, shown: tuple[str, ...]
) -> None:
    assert await suggested(suggestions, sampler, marked, fill) == shown
    assert sampler.asked[0][0].pieces[0].endswith(marked.partition("║")[0])


async def test_a_text_that_was_cut_short_does_not_end_inside_of_a_word(
    suggestions: Suggestions, sampler: HeldSampler
) -> None:
    asking = asyncio.create_task(suggestions.suggest(query("# ║")))
    await sampler.wait_for(1)
    sampler.answer(0, "The number of requ", finish="length")
    assert (await asking).texts == ("The number of",)


async def test_what_was_too_unsure_to_be_shown_is_asked_for_again_as_one_types(
    suggestions: Suggestions, sampler: HeldSampler
) -> None:
    options: dict[str, object] = {"completion": {"debounceMs": 0, "confidenceFloor": 0.5}}
    asking = asyncio.create_task(suggestions.suggest(query("x = ║", options, invoked=False)))
    await sampler.wait_for(1)
    sampler.answer(0, "compute(1)", confidence=0.4)
    assert (await asking).texts == ()
    assert (await suggestions.suggest(query("x = ║", options, invoked=False))).texts == ()
    assert len(sampler.asked) == 1
    asking = asyncio.create_task(suggestions.suggest(query("x = com║", options, invoked=False)))
    await sampler.wait_for(2)
    sampler.answer(1, "pute(1)", confidence=0.9)
    assert (await asking).texts == ("pute(1)",)


async def test_the_less_is_left_to_type_the_surer_it_is(suggestions: Suggestions, sampler: HeldSampler) -> None:
    options: dict[str, object] = {"completion": {"debounceMs": 0, "confidenceFloor": 0.5}}
    asking = asyncio.create_task(suggestions.suggest(query("x = ║", options, invoked=False)))
    await sampler.wait_for(1)
    sampler.answer(0, "compute(1)", confidence=0.8, tokens=5)
    outcome = await asking
    assert outcome.reason == "The model was not sure enough: 0.33, where 0.50 is asked for."
    assert (await suggestions.suggest(query("x = comp║", options, invoked=False))).texts == ("ute(1)",)
    assert len(sampler.asked) == 1


async def test_of_an_unsure_line_the_sure_part_is_shown_and_more_once_that_is_typed(
    suggestions: Suggestions, sampler: HeldSampler
) -> None:
    def at(marked: str) -> Query:
        return query(marked, {"completion": {"debounceMs": 0, "confidenceFloor": 0.3}}, invoked=False)

    asking = asyncio.create_task(suggestions.suggest(at("x = ║")))
    await sampler.wait_for(1)
    sampler.answer(0, "compute(first, second)", ends=((7, 0.9), (8, 0.85), (13, 0.2), (22, 0.1)))
    assert (await asking).texts == ("compute(",)
    for typed in range(1, 8):
        outcome = await suggestions.suggest(at(f"x = {'compute('[:typed]}║"))
        assert outcome.texts == ("compute("[typed:],) and outcome.certainty >= 0.3
    assert len(sampler.asked) == 1, "what is on screen is not asked for again"
    assert (await suggestions.suggest(at("x = compute(first║"))).texts == (", second)",)


async def test_what_follows_a_part_goes_on_in_its_line(suggestions: Suggestions, sampler: HeldSampler) -> None:
    options: dict[str, object] = {"completion": {"debounceMs": 0, "confidenceFloor": 0.3, "speculative": True}}
    suggestions.why_spare = lambda: None
    asking = asyncio.create_task(suggestions.suggest(query("x = ║", options, invoked=False)))
    await sampler.wait_for(1)
    sampler.answer(0, "compute(first, second)", ends=((8, 0.85), (22, 0.1)))
    assert (await asking).texts == ("compute(",)
    await sampler.wait_for(2)
    assert sampler.asked[1][0].pieces[0] == "x = compute("


async def test_who_asks_by_hand_gets_all_of_it(suggestions: Suggestions, sampler: HeldSampler) -> None:
    asking = asyncio.create_task(suggestions.suggest(query("x = ║")))
    await sampler.wait_for(1)
    sampler.answer(0, "compute(first)", ends=((8, 0.85), (14, 0.1)))
    assert (await asking).texts == ("compute(first)",)


async def test_typing_narrows_several_candidates(suggestions: Suggestions, sampler: HeldSampler) -> None:
    await suggested(suggestions, sampler, "x = ║", "alpha", "beta", "alarm")
    assert (await suggestions.suggest(query("x = al║"))).texts == ("pha", "arm")


async def test_a_typed_line_break_matches_in_a_file_with_carriage_returns(
    suggestions: Suggestions, sampler: HeldSampler
) -> None:
    await suggested(suggestions, sampler, "if x:║\r\n", "\n    y()")
    assert (await suggestions.suggest(query("if x:\r\n    ║\r\n"))).texts == ("y()",)


async def test_a_forgotten_document_is_asked_for_again(suggestions: Suggestions, sampler: HeldSampler) -> None:
    await suggested(suggestions, sampler, "x = ║", "1")
    suggestions.forget("file:///a.py")
    assert await suggested(suggestions, sampler, "x = ║", "2") == ("2",)


async def test_nothing_is_prepared_for_a_document_that_closes_as_its_answer_comes(
    suggestions: Suggestions, sampler: HeldSampler
) -> None:
    suggestions.why_spare = lambda: None
    asking = asyncio.create_task(suggestions.suggest(query("x = ║", SPECULATIVE)))
    await sampler.wait_for(1)
    sampler.answer(0, "1")
    await asyncio.sleep(0)  # the answer is there, and not yet offered
    suggestions.forget("file:///a.py")
    assert (await asking).kind == "superseded"
    await asyncio.sleep(0)
    assert len(sampler.asked) == 1


async def test_an_automatic_request_waits_and_one_by_hand_does_not(sampler: HeldSampler) -> None:
    clock = HandClock()
    suggestions = Suggestions(sampler, clock=clock)
    for number, invoked in enumerate((True, False)):
        options: dict[str, object] = {"completion": {"debounceMs": 40}}
        asking = asyncio.create_task(suggestions.suggest(query(f"a{number} = ║", options, invoked=invoked)))
        await sampler.wait_for(number + 1)
        sampler.answer(number, "x")
        assert (await asking).texts == ("x",)
    assert clock.slept == [0.04]


@pytest.mark.parametrize(
    ("options", "uri", "invoked", "answered"),
    [
        ({}, "file:///a.py", False, True),
        ({"languages": ["c"]}, "file:///a.py", False, False),
        ({"languages": ["c"]}, "file:///a.py", True, True),
        ({"languages": ["*"]}, "file:///a.py", False, True),
        ({"enabled": False}, "file:///a.py", False, False),
        ({"enabled": False}, "file:///a.py", True, True),
        ({}, "file:///.env", True, False),
    ],
)
async def test_who_is_answered(
    sampler: HeldSampler, options: dict[str, object], uri: str, invoked: bool, answered: bool
) -> None:
    suggestions = Suggestions(sampler)
    completion: dict[str, object] = {"completion": {"debounceMs": 0, **options}}
    asking = asyncio.create_task(suggestions.suggest(query("║", completion, uri=uri, invoked=invoked)))
    if answered:
        await sampler.wait_for(1)
        sampler.answer(0, "x")
    assert (await asking).texts == (("x",) if answered else ())
    assert len(sampler.asked) == answered


SPECULATIVE: dict[str, object] = {"completion": {"speculative": True, "debounceMs": 0}}


async def test_what_follows_a_suggestion_is_prepared(suggestions: Suggestions, sampler: HeldSampler) -> None:
    asking = asyncio.create_task(suggestions.suggest(query("a = ║\nc = 3\n", SPECULATIVE)))
    await sampler.wait_for(1)
    sampler.answer(0, "1")
    await asking
    await sampler.wait_for(2)
    assert sampler.asked[1][0].pieces == ("a = 1\n", "\nc = 3\n")
    sampler.answer(1, "b = 2")
    await suggestions.suggest(query("a = ║\nc = 3\n", SPECULATIVE))
    went_on = await suggestions.suggest(query("a = 1\n║\nc = 3\n"))
    assert (went_on.texts, went_on.source) == (("b = 2",), "prepared")
    assert len(sampler.asked) == 2


async def test_who_comes_early_waits_for_what_is_being_prepared(suggestions: Suggestions, sampler: HeldSampler) -> None:
    asking = asyncio.create_task(suggestions.suggest(query("a = ║\n", SPECULATIVE)))
    await sampler.wait_for(1)
    sampler.answer(0, "1")
    await asking
    await sampler.wait_for(2)
    at_its_end = asyncio.create_task(suggestions.suggest(query("a = 1║\n", SPECULATIVE)))
    await sampler.wait_for(3)
    sampler.answer(2, "")
    assert (await at_its_end).texts == ()
    went_on = asyncio.create_task(suggestions.suggest(query("a = 1\n║\n", SPECULATIVE, invoked=False)))
    await asyncio.sleep(0)
    sampler.answer(1, "b = 2")
    assert ((await went_on).texts, (await went_on).source) == (("b = 2",), "prepared")
    await suggestions.cancel_all()


async def test_typing_through_leaves_what_is_prepared_alone_and_typing_past_it_does_not(
    suggestions: Suggestions, sampler: HeldSampler
) -> None:
    asking = asyncio.create_task(suggestions.suggest(query("a = ║", SPECULATIVE)))
    await sampler.wait_for(1)
    sampler.answer(0, "compute()")
    await asking
    await sampler.wait_for(2)
    assert (await suggestions.suggest(query("a = comp║", SPECULATIVE))).texts == ("ute()",)
    assert len(sampler.asked) == 2
    assert not sampler.asked[1][1].cancelled()
    other = asyncio.create_task(suggestions.suggest(query("a = con║", SPECULATIVE)))
    await sampler.wait_for(3)
    assert sampler.asked[1][1].cancelled()
    sampler.answer(2, "stant")
    assert (await other).texts == ("stant",)
    await suggestions.cancel_all()


async def test_nothing_is_prepared_where_the_machine_has_no_power_to_spare(sampler: HeldSampler) -> None:
    suggestions = Suggestions(sampler, why_spare=lambda: "The machine runs on battery.")
    asking = asyncio.create_task(suggestions.suggest(query("a = ║", SPECULATIVE)))
    await sampler.wait_for(1)
    sampler.answer(0, "1")
    await asking
    await asyncio.sleep(0)
    assert len(sampler.asked) == 1


async def test_what_is_not_sure_is_shown_only_when_asked_for(suggestions: Suggestions, sampler: HeldSampler) -> None:
    options: dict[str, object] = {"completion": {"confidenceFloor": 0.6, "debounceMs": 0, "speculative": False}}
    asking = asyncio.create_task(suggestions.suggest(query("a = ║", options, invoked=False)))
    await sampler.wait_for(1)
    sampler.answer(0, "1", confidence=0.5)
    outcome = await asking
    assert (outcome.texts, outcome.kind) == ((), "silent")
    assert outcome.reason == "The model was not sure enough: 0.50, where 0.60 is asked for."
    by_hand = await suggestions.suggest(query("a = ║", options))
    assert by_hand.texts == ("1",)
    assert len(sampler.asked) == 1


async def test_nothing_to_suggest_is_cached_but_want_of_time_is_not(
    suggestions: Suggestions, sampler: HeldSampler
) -> None:
    assert await suggested(suggestions, sampler, "a = ║", "") == ()
    assert (await suggestions.suggest(query("a = ║"))).reason == "The model wrote nothing."
    asking = asyncio.create_task(suggestions.suggest(query("b = ║")))
    await sampler.wait_for(2)
    sampler.answer(1, "", finish="deadline")
    assert "completion.deadlineMs" in (await asking).reason
    assert await suggested(suggestions, sampler, "b = ║", "1") == ("1",)


async def test_part_of_an_answer_is_better_than_none(suggestions: Suggestions, sampler: HeldSampler) -> None:
    asking = asyncio.create_task(suggestions.suggest(query("a = ║")))
    await sampler.wait_for(1)
    assert sampler.asked[0][0].deadline_ms == 2000
    sampler.answer(0, "compute(1)", finish="deadline")
    assert (await asking).texts == ("compute(1)",)


async def test_several_candidates_are_asked_for_anew(suggestions: Suggestions, sampler: HeldSampler) -> None:
    assert await suggested(suggestions, sampler, "a = ║", "1") == ("1",)
    asking = asyncio.create_task(suggestions.suggest(dataclasses.replace(query("a = ║"), n_candidates=3)))
    await sampler.wait_for(2)
    assert sampler.asked[1][0].n_candidates == 3
    sampler.answer(1, "1", "2", "2")
    assert (await asking).texts == ("1", "2")


async def test_a_record_has_every_step(sampler: HeldSampler) -> None:
    clock = HandClock()
    suggestions = Suggestions(sampler, clock=clock)
    options: dict[str, object] = {"completion": {"debounceMs": 40}}
    asked = query("x = 1\nf(║)", options, invoked=False)
    asking = asyncio.create_task(suggestions.suggest(asked))
    await sampler.wait_for(1)
    sampler.answer(0, "x)", confidence=0.75)
    body = json.loads(json.dumps(record_of(asked, await asking).to_json()))
    assert (body["line"], body["column"], body["invoked"], body["outcome"]) == (2, 3, False, "shown")
    assert body["asked"]["before"] == "x = 1\nf("
    (candidate,) = body["answer"]["candidates"]
    assert (candidate["written"], candidate["shown"], candidate["confidence"]) == ("x)", "x", 0.75)
    (step,) = candidate["filters"]
    assert (step["filter"], step["before"], step["after"]) == ("no_overlap", "x)", "x")
    assert body["ms"]["debounce"] == 40
    assert body["ms"]["total"] >= 40
    assert set(body["ms"]) == {"debounce", "total", "context", "sampler", "filters", "service", "load"}
