"""What does not parse is written again from its first wrong line on, a bounded number of times."""

from __future__ import annotations

import asyncio

import pytest

from sampler.protocol.messages import Candidate, InfillRequest, InfillResult
from sampler.text.refilling import N_CANDIDATES, fits, refill

REQUEST = InfillRequest(document="d", pieces=("def f(a):\n    ", "\n\n\nprint(f(1))\n"), seed=4, stream=True)


class Scripted:
    """Answers with lists of texts, in order."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[InfillRequest] = []

    async def infill(self, request: InfillRequest) -> InfillResult:
        self.asked.append(request)
        found = [
            Candidate(fills=(text,), tokens=1, forwards=1, confidence=0.5, finish="end") for text in self.answers.pop(0)
        ]
        return InfillResult(
            candidates=tuple(found), model="m", device="cpu", ms=1, load_ms=0, tokens_computed=0, cache_miss="none"
        )


def texts(sampler: Scripted, request: InfillRequest = REQUEST) -> list[str]:
    return [one.fills[0] for one in asyncio.run(refill(sampler.infill, request)).candidates]


@pytest.mark.parametrize("text", ["return a", "b = a\n    return b"])
def test_what_parses_is_taken_as_it_is(text: str) -> None:
    sampler = Scripted([text])
    assert texts(sampler) == [text]
    assert len(sampler.asked) == 1


@pytest.mark.parametrize("text", ["", "# nothing yet", "if a:"])
def test_what_lacks_a_body_is_written_again(text: str) -> None:
    assert texts(Scripted([text], ["return a"])) == ["return a"]


def test_the_lines_before_the_error_are_kept() -> None:
    sampler = Scripted(["b = a\n    return b)"], ["    return (b", "    return b", "    return a"])
    assert texts(sampler) == ["b = a\n    return b"]
    again = sampler.asked[1]
    assert again.pieces == (REQUEST.pieces[0] + "b = a\n", REQUEST.pieces[1])
    assert (again.n_candidates, again.seed, again.stream) == (N_CANDIDATES, 5, False)


def test_a_head_that_is_left_without_a_block_is_an_error() -> None:
    assert texts(Scripted([""], ["", "# a", "return a"])) == ["return a"]


def test_what_cannot_be_helped_is_the_first_answer() -> None:
    sampler = Scripted(["return (a"], ["return ((a"], ["return (((a"])
    assert texts(sampler) == ["return (a"]
    assert len(sampler.asked) == 3


def test_errors_that_stand_around_the_gap_are_nobodys() -> None:
    from dataclasses import replace

    broken = replace(REQUEST, pieces=("def f(a:\n    return a\n\n\ndef g(b):\n    ", "\n\nclass (\n"))
    sampler = Scripted(["return b"])
    assert texts(sampler, broken) == ["return b"]
    assert len(sampler.asked) == 1
    text = replace(REQUEST, language="klingon")
    assert texts(Scripted(["return (((b"]), text) == ["return (((b"]


@pytest.mark.parametrize(
    ("before", "text", "after", "sound"),
    [
        ("words = text.lower().", "split", "()\n", True),
        ("words = text.lower().", "    # There are no ways", "()\n", False),
        ("words = text.lower().", "split", "()\nx = f(\n", True),
        ("return Counter(", "    def f(self):", ")\n", False),
        ("x = ", "1", "\n", True),
        ("if x:\n    ", "y()", "\n", True),
        ("if x:\n    ", "def f():", "\n", False),
    ],
)
def test_what_fits_leaves_no_more_wrong_than_anything_must(before: str, text: str, after: str, sound: bool) -> None:
    assert fits(before, text, after, "python") == sound
