from dataclasses import replace

import pytest

from sampler.model.layout import Context
from seedfill.training.data.prompts import Prompt
from seedfill.training.objectives.verifier import Verifier, bound_names, needed_names, parses, repeats, verify

BEFORE, GOLD, AFTER = "def total(items):\n    ", "count = len(items)", "\n    return count\n"
PROMPT = Prompt(
    text=BEFORE + GOLD + AFTER,
    start=len(BEFORE),
    end=len(BEFORE + GOLD),
    context=Context(tokens=[], parts=[], anchors=[[]], starts=[0]),
    gold=[1, 2, 3, 4, 5, 6],
)
LIKELY = [-0.1] * 6


def _verdict(fill: str, tokens: list[int] | None = None, verifier: Verifier | None = None, **changes: str):  # type: ignore[no-untyped-def]
    prompt = replace(PROMPT, **changes)  # type: ignore[arg-type]
    return verify(verifier or Verifier(), prompt, fill, tokens or [1, 2, 3, 4, 5, 6], LIKELY)


@pytest.mark.parametrize(
    ("fill", "parses_", "keeps"),
    [
        (GOLD, True, True),
        ("count: int = 0", True, True),
        ("n, count = 0, 1", True, True),
        ("total = len(items)", True, False),
        ("count = len(items", False, True),
        ("(", False, False),
    ],
)
def test_a_fill_is_worth_what_it_keeps_whole(fill: str, parses_: bool, keeps: bool) -> None:
    verdict = _verdict(fill)
    assert (verdict.parses, verdict.keeps_names) == (parses_, keeps)
    assert verdict.passes == (parses_ and keeps)
    assert 0 < verdict.score <= 1
    assert verdict.score <= _verdict(GOLD).score


@pytest.mark.parametrize(
    "tokens", [[6], [1, 6], [7, 7, 7, 7, 7, 6], [7, 8, 7, 8, 7, 8, 7, 8, 6]], ids=["empty", "short", "same", "circle"]
)
def test_a_collapsed_fill_is_worth_nothing_while_the_guard_is_up(tokens: list[int]) -> None:
    verdict = _verdict("pass", tokens)
    assert verdict.is_collapsed
    assert verdict.score == 0
    assert not verdict.passes
    assert _verdict("pass", tokens, Verifier(guards=False)).score > 0.5  # what makes the guard necessary


def test_what_repeats_in_the_file_may_repeat() -> None:
    prompt = replace(PROMPT, gold=[9, 9, 9, 9, 9, 6])
    assert not verify(Verifier(), prompt, "x", [9, 9, 9, 9, 9, 6], LIKELY).is_collapsed


def test_repeats_count_stretches_in_a_row() -> None:
    assert repeats([1, 2, 3]) == 1
    assert repeats([1, 1, 2]) == 2
    assert repeats([5, 1, 2, 1, 2, 1, 2, 4]) == 3
    assert repeats([]) == 1


def test_tests_decide_where_a_task_has_them() -> None:
    program = "{whole}\nassert total([1, 2]) == 2\n"
    right, wrong = _verdict(GOLD, tests=program), _verdict("count = 0", tests=program)
    assert right.passes_tests and right.passes
    assert wrong.passes_tests is False and not wrong.passes
    assert wrong.score < right.score


def test_names_are_those_the_rest_reads() -> None:
    assert needed_names(PROMPT) == {"count"}
    assert bound_names("import os as o\nfor i in x:\n  a == b\n  c = d = 1") >= {"o", "i", "c"}
    assert "a" not in bound_names("  a == b")
    assert not parses("def")
    assert not parses("\0")
