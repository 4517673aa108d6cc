"""How much of a text is worth showing."""

from __future__ import annotations

import pytest

from lsp_server.completion.cache import Fill, shown_of
from lsp_server.completion.certainty import ends_of, ends_within, worth_showing
from lsp_server.context.query import place_at
from lsp_server.postprocess import Verdict
from sampler.protocol.messages import Candidate, End

Places = tuple[tuple[int, float], ...]


def ends(*places: tuple[int, float]) -> tuple[End, ...]:
    return tuple(End(characters=characters, certainty=certainty) for characters, certainty in places)


def candidate(text: str, *places: tuple[int, float]) -> Candidate:
    return Candidate(fills=(text,), tokens=2, forwards=1, confidence=0.5, finish="end", ends=ends(*places))


@pytest.mark.parametrize(
    ("text", "places", "shown"),
    [
        ("return value", ((6, 0.9), (12, 0.8)), "return value"),
        ("return value", ((6, 0.9), (12, 0.2)), "return"),
        ("return value", ((7, 0.9), (12, 0.2)), "return value"),  # no part ends in a blank
        ("assertEqual(a)", ((6, 0.9), (11, 0.8), (12, 0.7), (14, 0.1)), "assertEqual"),
        ("assertEqual(a)", ((6, 0.9), (14, 0.1)), "assertEqual(a)"),  # nor within a word
        ("x)", ((1, 0.9), (2, 0.1)), "x)"),  # one character saves nothing
        ("if a:\n    b", ((5, 0.9), (11, 0.3)), "if a:"),
    ],
)
def test_what_is_worth_showing(text: str, places: Places, shown: str) -> None:
    assert text[: worth_showing(text, ends(*places)).characters] == shown


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, 10, ((4, 0.8), (8, 0.4), (10, 0.2))),
        (4, 10, ((4, 0.5), (6, 0.25))),
        (5, 10, ((3, 0.5), (5, 0.25))),
        (0, 6, ((4, 0.8), (6, 0.4))),
        (0, 4, ((4, 0.8),)),
        (4, 12, ((4, 0.5), (6, 0.25), (8, 0.25))),
    ],
)
def test_the_ends_of_a_stretch_are_as_likely_as_what_is_before_it_is_right(
    start: int, stop: int, expected: Places
) -> None:
    found = ends_within(ends((4, 0.8), (8, 0.4), (10, 0.2)), start, stop)
    assert [(end.characters, pytest.approx(end.certainty)) for end in found] == list(expected)


@pytest.mark.parametrize(
    ("written", "shown", "expected"),
    [
        ("a = 1\nb = 2", "a = 1", ((1, 0.9), (5, 0.3))),
        ("  a = 1\nb = 2", "a = 1", ((1, 1.0), (5, 0.5))),
        ("a = 1\n\tb = 2", "a = 1\n    b = 2", ((15, 0.1),)),
    ],
)
def test_what_filters_leave_keeps_its_ends_where_it_is_a_stretch(written: str, shown: str, expected: Places) -> None:
    n_blank = len(written) - len(written.lstrip())
    places = ((1, 0.9), (5, 0.3), (11, 0.1)) if not n_blank else ((2, 0.6), (3, 0.6), (7, 0.3), (13, 0.1))
    fill = shown_of(
        candidate(written, *places), Verdict(written=written, shown=shown, steps=()), place_at("", 0, "python")
    )
    assert fill.text == shown
    assert [(end.characters, pytest.approx(end.certainty)) for end in fill.ends] == list(expected)


def test_no_part_repeats_what_stands_behind_the_cursor() -> None:
    before, written, after = 'x = {"show_dow', '": show_dow: x', "_download_link,\n"
    place = place_at(before + after, len(before), "python")
    written_ends = ((2, 0.9), (6, 0.85), (11, 0.8), (14, 0.1))
    fill = shown_of(candidate(written, *written_ends), Verdict(written=written, shown=written, steps=()), place)
    assert [end.characters for end in fill.ends] == [2, 6, 14]


def test_without_ends_all_tokens_have_to_be_right() -> None:
    assert ends_of(candidate("ab")) == ends((2, 0.25))


@pytest.mark.parametrize("floor", [0.0, 0.18, 0.3, 0.45])
def test_a_part_grows_as_it_is_typed_and_stays_as_sure_as_it_must_be(floor: float) -> None:
    fill = Fill("compute(first)", ends((7, 0.5), (8, 0.45), (13, 0.2), (14, 0.19)))
    typed = range(8)
    parts = [fill.between(n, len(fill.text)).part(floor) for n in typed]
    shown = [n + len(part.text) for n, part in zip(typed, parts, strict=True)]
    assert shown == sorted(shown) and shown[0] >= len("compute(")
    assert all(part.certainty >= floor for part in parts)


def test_a_shorter_part_is_shown_where_the_one_worth_most_is_not_sure_enough() -> None:
    fill = Fill("compute(first, second, third)", ends((8, 0.5), (29, 0.17)))
    assert fill.part(0.1).text == fill.text
    assert fill.part(0.18).text == "compute("


def test_what_could_not_be_right_has_no_likely_rest() -> None:
    assert Fill("abcdef", ends((3, 0.0), (6, 0.0))).between(3, 6).certainty == 0
