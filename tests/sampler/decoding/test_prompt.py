"""A request becomes a row of tokens that fits the model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.decoding.canvas import Canvas
from sampler.decoding.prompt import canvases, cut_end, cut_pieces, cut_start
from sampler.model.families import recognise
from sampler.model.layout import HOLE_STRIDE
from sampler.protocol.messages import BadMessage, InfillRequest, Snippet
from tests.support.tiny_model import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
SIZE = {"vocab_size": TOKENIZER.vocab_size}
SEEDFILL = recognise(
    {
        **SIZE,
        "architectures": ["SeedfillForDiffusion"],
        "seedfill": {"block_size": 8, "languages": [], "layout_version": 1},
    },
    TOKENIZER,
)
DREAM = recognise(
    {**SIZE, "architectures": ["DreamModel"], "mask_token_id": 2, "eos_token_id": 1, "bos_token_id": 60}, TOKENIZER
)
MASK = SEEDFILL.mask_id
NEWLINES = frozenset({0})


def build(*pieces: str, max_positions: int = 2048, profile: Any = SEEDFILL, **changes: Any) -> list[Canvas]:
    request = InfillRequest(document="d", pieces=pieces, **changes)
    return canvases(request, TOKENIZER, profile, max_positions)


def text(tokens: list[int]) -> str:
    """Tokens as text, reserved ones by name."""
    names = {TOKENIZER.id(name): name for name in ("<prefix>", "<suffix>", "<middle>", "<hole_0>", "<hole_1>")}
    return "".join(names.get(token) or TOKENIZER.decode([token]) for token in tokens)


def test_one_span_is_laid_out_suffix_first() -> None:
    (canvas,) = build("a = 1\n", "\nb", max_tokens=9)
    assert text(canvas.context).endswith("<suffix>\nb<prefix>a = 1\n<middle>")
    assert [(span.start, span.limit, span.anchor) for span in canvas.spans] == [(len(canvas.context), 9, [])]


@pytest.mark.parametrize(
    ("prefix", "is_taken"),
    [
        ("a = ", True),
        ("def f(x):\n    ret", True),
        ("self.na", True),
        ("", False),
        ("x\n", False),  # a line begins with the token
        ("x\n    ", False),
        ("name = 'é", False),  # half a character
    ],
)
def test_a_token_that_the_cursor_may_have_cut_is_taken_back(prefix: str, is_taken: bool) -> None:
    (canvas,) = build(prefix, "\nb", max_tokens=9)
    kept = canvas.context[canvas.context.index(TOKENIZER.id("<prefix>")) + 1 : -1]
    assert TOKENIZER.decode(kept) + canvas.begins == prefix
    assert bool(canvas.begins) is is_taken
    assert all(TOKENIZER.token_bytes[token].startswith(canvas.begins.encode()) for token in canvas.first_ids)
    assert bool(canvas.first_ids) is bool(canvas.begins)


def test_holes_stand_a_stride_apart_behind_their_sentinels() -> None:
    (canvas,) = build("a", "b", "c", max_tokens=1000)
    assert text(canvas.context).endswith("<prefix>a<hole_0>b<hole_1>c<middle>")
    starts = [span.start for span in canvas.spans]
    assert starts == [len(canvas.context), len(canvas.context) + HOLE_STRIDE]
    assert [text(span.anchor) for span in canvas.spans] == ["<hole_0>", "<hole_1>"]
    assert all(span.limit == HOLE_STRIDE - 1 for span in canvas.spans)


def test_in_place_tries_several_lengths_up_to_the_wanted_one() -> None:
    found = build("a = ", "\nb", profile=DREAM, max_tokens=12)
    assert [canvas.spans[0].limit for canvas in found] == [4, 8, 12]
    row = found[0].in_place(DREAM.mask_id)
    assert row == [60, *TOKENIZER.encode("a = "), *[DREAM.mask_id] * 4, *TOKENIZER.encode("\nb"), DREAM.end_id]
    assert row[found[0].spans[0].start] == DREAM.mask_id


def test_a_long_document_is_cut_at_line_starts_to_fit() -> None:
    lines = [f"x{i} = {i}\n" for i in range(400)]
    (canvas,) = build("".join(lines), "".join(lines), max_positions=512, max_tokens=64)
    assert len(canvas.context) + 64 <= 512
    suffix, prefix = text(canvas.context).split("<suffix>")[1].split("<prefix>")
    assert ("\n" + "".join(lines)).startswith(suffix) and suffix.strip()
    assert (prefix.removesuffix("<middle>")).startswith("\n")
    assert "".join(lines).endswith(prefix.removesuffix("<middle>"))


def test_snippets_go_before_the_document_is_starved() -> None:
    snippets = (Snippet(path="a.py", text="short = 1\n"), Snippet(path="b.py", text="long = 2\n" * 300))
    (canvas,) = build("a", "b", snippets=snippets, max_positions=512)
    assert "short" in text(canvas.context) and "long" not in text(canvas.context)


@pytest.mark.parametrize(
    ("pieces", "changes", "sentence"),
    [
        (("a", "b"), {"max_tokens": 900, "max_positions": 512}, "reads 512 tokens"),
        (("a", "b"), {"instruction": "do " * 600, "max_positions": 512}, "too long for this model"),
        (("a", "x = 1\n" * 300, "b"), {"max_positions": 512}, "too far apart"),
    ],
)
def test_what_does_not_fit_is_refused(pieces: tuple[str, ...], changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadMessage, match=sentence):
        build(*pieces, **changes)


tokens = st.lists(st.integers(0, 4), max_size=60)


@given(tokens, st.integers(0, 70))
def test_cuts_keep_an_end_within_the_budget(row: list[int], budget: int) -> None:
    start, end = cut_start(row, budget, NEWLINES), cut_end(row, budget, NEWLINES)
    assert len(start) <= budget and row[len(row) - len(start) :] == start
    assert len(end) <= budget and row[: len(end)] == end


@given(st.lists(tokens, min_size=2, max_size=4), st.integers(0, 200))
def test_pieces_fit_and_only_their_outer_ends_are_cut(pieces: list[list[int]], budget: int) -> None:
    if sum(map(len, pieces[1:-1])) > budget:
        with pytest.raises(BadMessage):
            cut_pieces(pieces, budget, NEWLINES)
        return
    cut = cut_pieces(pieces, budget, NEWLINES)
    assert sum(map(len, cut)) <= budget
    assert cut[1:-1] == pieces[1:-1]
    if sum(map(len, pieces)) <= budget:
        assert cut == pieces


def test_a_cut_prefix_begins_where_it_began_while_one_types() -> None:
    row = [1] * 1000
    starts = {len(row) + i - len(cut_start(row + [1] * i, 400, NEWLINES)) for i in range(1, 101)}
    assert len(starts) == 1


@pytest.mark.parametrize(
    ("pieces", "is_between"),
    [
        (("a\n", "b\n"), True),
        (("", "b\n"), True),
        (("a\n", "\nb\n"), False),
        (("a\n", ""), False),
        (("a", "b\n"), False),
        (("a\n    ", "b\n"), False),
        (("a\n", "    \nb\n"), False),
    ],
)
def test_where_a_line_begins_whole_lines_are_put_before_it(pieces: tuple[str, str], is_between: bool) -> None:
    (canvas,) = build(*pieces)
    assert canvas.is_between_lines == is_between
    suffix = text(canvas.context).split("<suffix>")[1].split("<prefix>")[0]
    assert suffix == "\n" * is_between + pieces[1]
    span = canvas.spans[0]
    for written, shown in (("", ""), ("x = 1", "x = 1\n"), ("x = 1\n", "x = 1\n")):
        span.tokens, span.finish = TOKENIZER.encode(canvas.begins + written), "end"
        assert canvas.fill(span, TOKENIZER, MASK) == (shown if is_between else written)


@pytest.mark.parametrize(
    ("after", "written", "shown"),
    [
        ("", "x = 1\n\n\n", "x = 1\n"),
        ("", "x = 1\n", "x = 1\n"),
        ("", "\n\n", "\n\n"),
        ("\nb", "x = 1\n  \n", "x = 1\n"),
        ("b\n", "x = 1\n\n", "x = 1\n\n"),
    ],
)
def test_a_fill_at_a_line_s_end_ends_without_blank_lines(after: str, written: str, shown: str) -> None:
    (canvas,) = build("a\n", after)
    span = canvas.spans[0]
    span.tokens, span.finish = TOKENIZER.encode(canvas.begins + written), "end"
    assert canvas.fill(span, TOKENIZER, MASK) == shown


def test_a_line_that_is_to_stay_one_is_not_ended() -> None:
    (canvas,) = build("a\n", "b\n", one_line=True)
    assert not canvas.is_between_lines
