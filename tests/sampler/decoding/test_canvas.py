"""Blocks open, close and end; what a canvas says."""

from __future__ import annotations

import torch

from sampler.decoding.span import Span
from tests.sampler.decoding.test_prompt import MASK, SEEDFILL, TOKENIZER, build


def test_blocks_open_at_the_anchor_and_close_to_text() -> None:
    span = Span(start=10, limit=5, anchor=[7])
    first = span.open_block(3, MASK)
    assert (first.start, first.tokens.tolist(), first.n_locked, first.n_anchor) == (10, [7, MASK, MASK, MASK], 1, 1)
    first.tokens[1:] = torch.tensor([40, 41, 42])
    span.close_block(4, [-1.0, -1.0, -1.0], {99})
    assert (span.tokens, span.anchor, span.finish) == ([40, 41, 42], [], None)
    second = span.open_block(3, MASK)
    assert (second.start, len(second)) == (14, 2), "the limit leaves two tokens"
    second.tokens[:] = torch.tensor([43, 44])
    span.close_block(2, [-1.0, -1.0], {99})
    assert span.finish == "length"


def test_an_end_token_ends_the_span_and_is_not_text() -> None:
    (canvas,) = build("a =\n", "\n", max_tokens=9)
    span = canvas.spans[0]
    written = [*TOKENIZER.encode("first"), SEEDFILL.end_id]
    span.open_block(len(written), MASK).tokens[:] = torch.tensor(written)
    span.close_block(len(written), [-0.1] * len(written), canvas.stop_ids)
    assert span.finish == "end" and canvas.is_finished
    assert canvas.fill(span, TOKENIZER, MASK) == "first"


def test_one_line_ends_before_the_first_newline() -> None:
    (canvas,) = build("a =\n", "\n", max_tokens=9, one_line=True)
    assert canvas.stop_ids > TOKENIZER.newline_ids
    span = canvas.spans[0]
    span.tokens = TOKENIZER.encode("first\n    second")
    assert canvas.fill(span, TOKENIZER, MASK) == "first"


def test_a_copy_changes_on_its_own() -> None:
    (canvas,) = build("a", "b")
    other = canvas.copy()
    other.spans[0].open_block(4, MASK).is_masked[0] = False
    assert canvas.spans[0].block is None


def test_a_line_that_was_cut_short_is_not_ended() -> None:
    (canvas,) = build("a\n", "b\n")
    span = canvas.spans[0]
    span.tokens, span.finish = TOKENIZER.encode("x = comp"), "length"
    assert canvas.fill(span, TOKENIZER, MASK) == "x = comp"
