"""A fill of several lines ends behind the line up to which it is worth most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from sampler.decoding.canvas import Canvas
from sampler.decoding.span import Span
from sampler.decoding.stopping import Stop, Stopping, ends_of, errors_around
from sampler.protocol.messages import InfillRequest
from sampler.text.extent import extent_at
from tests.support.tiny_model import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
END = TOKENIZER.id("<span_end>")


def stopping_between(before: str, after: str, *, fills_extent: bool = False) -> Stopping:
    canvas = Canvas([], [], [], frozenset({END}))
    errors = errors_around(canvas, InfillRequest(document="d", pieces=(before, after)))
    return Stopping(TOKENIZER, errors, extent=extent_at(before, after), fills_extent=fills_extent)


def ended(
    lines: Sequence[tuple[str, float]],
    pieces: tuple[str, str] = ("", "\n"),
    *,
    step: int = 1,
    fills_extent: bool = False,
) -> tuple[str, Span]:
    """What is left of `lines`, each with the probability that it is right, when `step` tokens come at a time."""
    span, ending = Span(start=0, limit=400), stopping_between(*pieces, fills_extent=fills_extent)
    tokens, log_probs = list[int](), list[float]()
    for n, (line, probability) in enumerate(lines):
        new = TOKENIZER.encode("\n" * bool(n) + line)
        tokens += new
        log_probs += [math.log(probability) / max(len(new), 1)] * len(new)
    tokens, log_probs = [*tokens, END], [*log_probs, -0.1]
    while span.finish is None and len(span.tokens) < len(tokens):
        n = len(span.tokens) + step
        span.tokens, span.log_probs = tokens[:n], log_probs[:n]
        span.finish = "end" if span.tokens[-1] == END else None
        ending.follow(span, {END})
    return TOKENIZER.decode([token for token in span.tokens if token != END]), span


@pytest.mark.parametrize("step", [1, 3, 400])
@pytest.mark.parametrize(
    ("lines", "pieces", "kept"),
    [
        ([("a = 1", 0.9), ("b = 2", 0.9)], ("", "\n"), 2),
        ([("a = 1", 0.9), ("b = 2", 0.3)], ("", "\n"), 1),
        ([("a = 1", 0.3), ("b = 2", 0.9)], ("", "\n"), 2),
        ([("", 0.9), ("a = 1", 0.9), ("b = 2", 0.1)], ("", "\n"), 2),
        ([("a = 1", 0.9), ("b = (2", 0.9)], ("", "\n"), 1),
        ([("a = (", 0.9), ("    2)", 0.2)], ("", "\n"), 2),
        ([("if a:", 0.9), ("    b = 2", 0.2)], ("", "\n"), 2),
        ([("if a:", 0.9), ("    b = 2", 0.2)], ("", "\n    c = 3\n"), 1),
        ([("a = (", 0.3), ("b = (", 0.3)], ("", "\n"), 1),
        ([("b = 2", 0.2), ("c = 3", 0.2)], ("if a:\n    ", "\n"), 1),
    ],
)
def test_a_fill_ends_where_it_is_worth_most_and_whole(
    lines: list[tuple[str, float]], pieces: tuple[str, str], kept: int, step: int
) -> None:
    text, span = ended(lines, pieces, step=step)
    assert text == "\n".join(line for line, _ in lines[:kept])
    assert span.finish == "end" and len(span.tokens) == len(span.log_probs)


@pytest.mark.parametrize("step", [1, 3, 400])
@pytest.mark.parametrize("fills_extent", [False, True])
def test_a_fill_ends_before_the_line_that_stands_behind_it(fills_extent: bool, step: int) -> None:
    lines = [("    a = 1", 0.9), ("    b = 2", 0.99), ("    c = 3", 0.99)]
    pieces = ("def f():\n", "\n    b = 2\n")
    assert ended(lines, pieces, step=step, fills_extent=fills_extent)[0] == "    a = 1"


@pytest.mark.parametrize("step", [1, 3, 400])
@pytest.mark.parametrize(
    ("lines", "pieces", "kept"),
    [
        ([("    a = 1", 0.2), ("    b = 2", 0.1), ("c = 3", 0.9)], ("def f():\n", ""), 2),
        ([("    a = 1", 0.2), ("    b = 2", 0.1)], ("def f():\n", ""), 2),
        ([("    a = 1", 0.2), ("    b = 2", 0.1), ("    c = 3", 0.9)], ("def f():\n", "    c = 3\n"), 2),
        ([("    a = 1", 0.2), ("    b = 2", 0.1), ("d = 3", 0.9)], ("def f():\n", "    c = 3\n"), 1),
        ([("    a = 1", 0.2), ("    b = (", 0.1), ("c = 3", 0.9)], ("def f():\n", ""), 1),
    ],
)
def test_all_that_belongs_there_is_written_where_it_is_wanted(
    lines: list[tuple[str, float]], pieces: tuple[str, str], kept: int, step: int
) -> None:
    assert ended(lines, pieces, step=step, fills_extent=True)[0] == "\n".join(line for line, _ in lines[:kept])


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n\n    x = 1",
        "return compute(\n    first,\n    second,\n)",
        "for x in y:\n    if x:\n        z(x)",
        'def f():\n    """One.\n\n    Two.\n    """\n    return 1',
    ],
)
def test_what_is_sure_is_written_to_the_end_of_what_it_begins(text: str) -> None:
    assert ended([(line, 0.95) for line in text.split("\n")])[0] == text


def test_an_unsure_line_that_leaves_the_code_in_pieces_gets_one_more() -> None:
    lines = [("if a:", 0.01), ("", 0.9), ("    if b:", 0.1), ("        c = 1", 0.9)]
    assert ended(lines)[0] == "if a:"
    assert ended([*lines[:2], ("    b = 1", 0.5), lines[3]])[0] == "if a:\n\n    b = 1"


def test_writing_stops_where_no_further_line_can_be_worth_more() -> None:
    lines = [("a = 1", 0.9), ("b = 2", 1e-4), *[("c = 3", 0.9)] * 40]
    text, span = ended(lines)
    assert text == "a = 1" and span.finish == "end"


def test_a_line_that_was_cut_short_is_left_out_once_time_is_up() -> None:
    span = Span(start=0, limit=400)
    ending = stopping_between("", "\n")
    span.tokens = TOKENIZER.encode("a = 1\nb =")
    span.log_probs, span.finish = [-0.01] * len(span.tokens), "deadline"
    ending.follow(span, {END})
    assert TOKENIZER.decode(span.tokens) == "a = 1" and span.finish == "end"


@pytest.mark.parametrize("text", ["", "a = 1", "  "])
def test_what_has_no_line_to_end_with_stays(text: str) -> None:
    assert ended([(text, 0.5)])[0] == text


@pytest.mark.parametrize("begins", ["", "x"])
def test_a_token_that_is_half_a_character_ends_nowhere(begins: str) -> None:
    text = f"{begins} = '🙂漢'\n"
    tokens = TOKENIZER.encode(text)
    span = Span(start=0, limit=400, tokens=[*tokens, END], log_probs=[-0.1] * (len(tokens) + 1), finish="end")
    canvas = Canvas([], [], [span], frozenset({END}), begins=begins)
    found = ends_of(canvas, TOKENIZER, mask_id=-1)
    wholes = {TOKENIZER.decode(tokens[:n]) for n in range(len(tokens) + 1)}
    assert all(text[: len(begins) + end.characters] in wholes for end in found)
    assert found[-1].characters == len(text) - len(begins)
    assert found[-1].certainty == pytest.approx(math.exp(-0.1 * len(tokens)))


def test_of_texts_that_begin_otherwise_the_likelier_is_better_whatever_is_worth_more() -> None:
    short, long = (Stop(n, 0, True, 4 * n, log_prob) for n, log_prob in ((2, -1.0), (9, -1.5)))
    assert long.worth > short.worth
    assert short.rank > long.rank > replace(short, n_errors=1).rank
