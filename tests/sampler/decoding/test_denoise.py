"""The cached, packed, block-wise sampler computes what one plain forward over the same row would."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sampler.decoding.canvas import Canvas, from_context
from sampler.decoding.denoise import Row, denoise, denoise_step, read_context, start_row, stop
from sampler.decoding.drafters import Lookup
from sampler.decoding.policies import CHECKED, POLICIES
from sampler.decoding.prompt import canvases
from sampler.decoding.span import Block, Span
from sampler.decoding.unmask import Sampling, forbid
from sampler.model import checkpoint
from sampler.model.attention import attend
from sampler.model.checkpoint import LoadedModel
from sampler.model.families import recognise
from sampler.model.kv_cache import Reuse
from sampler.model.layout import HOLE_STRIDE, LIVE_MARKER, Context
from sampler.model.tokenizer import RESERVED
from sampler.protocol.messages import InfillRequest, Policy
from tests.support.tiny_model import tiny_backbone, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
VOCAB = TOKENIZER.vocab_size
FIRST_TEXT = len(RESERVED)
OWN = {"block_size": 8, "languages": [], "layout_version": 1}
SEEDFILL = recognise({"architectures": ["SeedfillForDiffusion"], "vocab_size": VOCAB, "seedfill": OWN}, TOKENIZER)
DREAM = recognise(
    {
        "architectures": ["DreamModel"],
        "vocab_size": VOCAB,
        "mask_token_id": 2,
        "eos_token_id": 1,
        "bos_token_id": 40,
    },
    TOKENIZER,
)
MODEL = checkpoint.loaded("tiny", tiny_backbone(), TOKENIZER, SEEDFILL, 2048)
DREAM_SHAPE = {"qk_norm": False, "qkv_bias": True, "tie_embeddings": False}
DREAM_MODEL = checkpoint.loaded("dream", tiny_backbone(**DREAM_SHAPE), TOKENIZER, DREAM, 2048)
MASK = SEEDFILL.mask_id
NO_STOP: frozenset[int] = frozenset()


class Masked:
    """Attention by one explicit mask (T, T): the reference that every cache is held against."""

    def __init__(self, allowed: Tensor) -> None:
        self.allowed = allowed

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend(q, k, v, attn_mask=self.allowed)


def plain_logits(model: LoadedModel, tokens: Sequence[int], positions: Sequence[int], n_live: int) -> Tensor:
    """Logits (T, V) of one uncached forward: causal, the last n_live tokens seeing each other both ways."""
    n = len(tokens)
    allowed = torch.ones(n, n, dtype=torch.bool).tril()
    allowed[n - n_live :, n - n_live :] = True
    hidden = model.backbone(torch.tensor([tokens]), torch.tensor(positions), Masked(allowed))[0]
    return forbid(model.backbone.logits(hidden), model.is_forbidden)


def random_tokens(n: int, seed: int) -> list[int]:
    return random.Random(seed).choices(range(FIRST_TEXT, VOCAB), k=n)


def make_canvas(n_context: int = 20, limit: int = 12, n_holes: int = 1, seed: int = 0, stops: Any = NO_STOP) -> Canvas:
    tokens = random_tokens(n_context, seed)
    anchors = [[]] if n_holes == 1 else [[TOKENIZER.id(f"<hole_{i}>")] for i in range(n_holes)]
    starts = [n_context + i * HOLE_STRIDE for i in range(n_holes)]
    return from_context(Context(tokens=tokens, parts=[], anchors=anchors, starts=starts), limit, stops)


def make_row(
    canvas: Canvas, policy: Policy = "threshold", threshold: float | None = None, *, block: int = 8, **changes: Any
) -> Row:
    parameter = POLICIES[policy].parameter if threshold is None else threshold
    sampling = Sampling(policy, parameter, POLICIES[policy].block_size or block, **changes)
    return start_row(MODEL, canvas, sampling, read_context(MODEL, canvas)[0])


def fill(canvas: Canvas, policy: Policy = "threshold", **changes: Any) -> Row:
    row = make_row(canvas, policy, **changes)
    denoise(MODEL, [row])
    return row


def texts(row: Row) -> list[list[int]]:
    return [span.tokens for span in row.canvas.spans]


@pytest.mark.parametrize("policy", get_args(Policy))
def test_what_the_cursor_cut_is_chosen_anew_and_not_written_twice(policy: Policy) -> None:
    request = InfillRequest(document="d", pieces=("def read(path):\n    with open(pa", "\n"), max_tokens=6)
    (canvas,) = canvases(request, TOKENIZER, SEEDFILL, 2048)
    row = fill(canvas, policy)
    (span,) = canvas.spans
    assert span.tokens[0] in canvas.first_ids
    written = TOKENIZER.decode(span.text_tokens(MASK))
    assert canvas.begins and written == canvas.begins + canvas.fill(span, TOKENIZER, MASK)
    assert row.canvas is canvas


@pytest.mark.parametrize("policy", get_args(Policy))
@pytest.mark.parametrize("before", ["def read(path):\n    with open(pa", "def read(path):\n"])
def test_who_wants_text_gets_some_wherever_the_cursor_cuts(policy: Policy, before: str) -> None:
    request = InfillRequest(document="d", pieces=(before, "\n"), max_tokens=6, wants_text=True)
    (canvas,) = canvases(request, TOKENIZER, SEEDFILL, 2048)
    ends = frozenset(range(VOCAB)) - {*random_tokens(5, 0), *canvas.first_ids}
    canvas = dataclasses.replace(canvas, first_ids=canvas.first_ids[:1], stop_ids=ends)
    fill(canvas, policy)
    written = [token for token in canvas.spans[0].tokens if token not in ends]
    assert written and TOKENIZER.decode(written) != canvas.begins


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_a_context_read_in_pieces_equals_one_read_at_once(lengths: list[int], seed: int) -> None:
    whole = make_canvas(sum(lengths), seed=seed)
    slot, n_computed = read_context(MODEL, whole)
    assert n_computed == sum(lengths)
    grown, total = None, 0
    for end in range(len(lengths)):
        canvas = dataclasses.replace(whole, context=whole.context[: sum(lengths[: end + 1])])
        reuse = None if grown is None else Reuse(grown, len(grown.tokens), "none")
        grown, n_computed = read_context(MODEL, canvas, reuse)
        total += n_computed
    assert grown is not None and total == sum(lengths)
    torch.testing.assert_close(grown.key_values.keys, slot.key_values.keys, atol=1e-4, rtol=0)
    torch.testing.assert_close(grown.key_values.values, slot.key_values.values, atol=1e-4, rtol=0)
    torch.testing.assert_close(grown.last_hidden, slot.last_hidden, atol=1e-4, rtol=0)


def test_the_same_context_again_computes_nothing_and_a_shorter_one_its_last_token() -> None:
    canvas = make_canvas(20)
    slot, _ = read_context(MODEL, canvas)
    assert read_context(MODEL, canvas, Reuse(slot, 20, "none")) == (slot, 0)
    shorter = dataclasses.replace(canvas, context=canvas.context[:15])
    again, n_computed = read_context(MODEL, shorter, Reuse(slot, 15, "none"))
    assert n_computed == 1 and len(again.key_values) == 15


class Watch:
    """Compares every pass with a plain forward: what is unmasked, and how sure, and what a commit reads."""

    def __init__(self, canvas: Canvas) -> None:
        self.tokens, self.positions = list(canvas.context), list(range(len(canvas.context)))
        self.n_blocks = 0
        self.seen: list[tuple[Span, Block, int]] = []

    def __call__(self, canvas: Canvas) -> None:
        if not canvas.open_spans:
            self.check_commit()
            return
        for span in canvas.open_spans:
            assert span.block is not None and not span.block.is_masked.any(), "drafted in one step"
        self.check_draft(canvas)

    def check_draft(self, canvas: Canvas) -> None:
        blocks = [span.block for span in canvas.open_spans if span.block is not None]
        n_live = sum(map(len, blocks))
        drafted = [(b.tokens.tolist(), b.n_locked, b.confidence) for b in blocks]
        live = [t if i < n else MASK for tokens, n, _ in drafted for i, t in enumerate(tokens)]
        positions = [b.start + i for b in blocks for i in range(len(b))]
        row = [*self.tokens, *live, TOKENIZER.id(LIVE_MARKER)]
        logits = plain_logits(MODEL, row, [*self.positions, *positions, positions[0]], n_live + 1)[-n_live - 1 : -1]
        for tokens, n_locked, confidence in drafted:
            part, logits = logits[: len(tokens)], logits[len(tokens) :]
            assert tokens[n_locked:] == part[n_locked:].argmax(-1).tolist()
            expected = part.softmax(-1).max(-1).values
            torch.testing.assert_close(confidence[n_locked:], expected[n_locked:], atol=1e-4, rtol=0)
        offset = len(self.tokens)
        for span, block in zip(canvas.open_spans, blocks, strict=True):
            self.seen.append((span, block, offset))
            offset += len(block)
        self.tokens += [token for tokens, _, _ in drafted for token in tokens]
        self.positions += positions
        self.n_blocks += 1

    def check_commit(self) -> None:
        """Every committed token's log-probability is a plain causal forward's over the row so far."""
        log_probs = plain_logits(MODEL, self.tokens, self.positions, 0).log_softmax(-1)
        last: dict[int, int] = {}
        read: dict[int, list[float]] = {}
        for span, block, offset in self.seen:
            for i, token in enumerate(block.tokens.tolist()):
                if i >= block.n_anchor:
                    before = last.get(id(span), self.seen[0][2] - 1)
                    read.setdefault(id(span), []).append(float(log_probs[before, token]))
                last[id(span)] = offset + i
        for span, _, _ in self.seen:
            torch.testing.assert_close(torch.tensor(span.log_probs), torch.tensor(read[id(span)]), atol=1e-3, rtol=0)


@given(st.integers(1, 9), st.integers(1, 20), st.integers(1, 3), st.integers(1, 30), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_cached_equals_uncached_for_any_partition(
    block: int, limit: int, n_holes: int, n_context: int, seed: int
) -> None:
    canvas = make_canvas(n_context, limit, n_holes, seed)
    watch = Watch(canvas)
    row = make_row(canvas, threshold=0.0, block=block)
    denoise(MODEL, [row], watch)
    assert watch.n_blocks == -(-limit // block)
    assert row.n_forwards == 2 * watch.n_blocks, "one draft and one commit a block"


def test_a_batch_equals_each_row_alone() -> None:
    def rows() -> list[Row]:
        specs: list[tuple[Canvas, Policy, dict[str, Any]]] = [
            (make_canvas(5, 9, seed=1), "threshold", {}),
            (make_canvas(40, 17, 2, seed=2), "entropy", {"block": 5}),
            (make_canvas(23, 6, seed=3), "verified", {}),
            (make_canvas(11, 8, seed=4), "sequential", {}),
            (make_canvas(17, 9, seed=6), "fused", {}),
            (make_canvas(17, 9, seed=6), "lookup", {}),
            (make_canvas(30, 14, 3, seed=5), "margin", {"temperature": 1.0, "top_p": 0.9}),
        ]
        generators = [torch.Generator().manual_seed(i) for i in range(len(specs))]
        return [
            make_row(canvas, policy, generator=generator, **changes)
            for (canvas, policy, changes), generator in zip(specs, generators, strict=True)
        ]

    together, alone = rows(), rows()
    denoise(MODEL, together)
    for row in alone:
        denoise(MODEL, [row])
    for ours, theirs in zip(together, alone, strict=True):
        assert texts(ours) == texts(theirs)
        assert ours.n_forwards == theirs.n_forwards
        for a, b in zip(ours.canvas.spans, theirs.canvas.spans, strict=True):
            assert a.log_probs == pytest.approx(b.log_probs, abs=1e-3)


@pytest.mark.parametrize("block", [2, 5, 8])
@pytest.mark.parametrize("seed", range(4))
def test_verified_equals_token_by_token(block: int, seed: int) -> None:
    end = frozenset({SEEDFILL.end_id, *range(FIRST_TEXT, FIRST_TEXT + 12)})
    checked = fill(make_canvas(limit=16, seed=seed, stops=end), "verified", block=block)
    single = fill(make_canvas(limit=16, seed=seed, stops=end), "sequential")
    assert texts(checked) == texts(single)
    assert checked.canvas.spans[0].finish == single.canvas.spans[0].finish
    assert checked.canvas.spans[0].log_probs == pytest.approx(single.canvas.spans[0].log_probs, abs=1e-3)


def test_token_by_token_takes_one_forward_a_token_and_is_greedy() -> None:
    row = fill(make_canvas(20, 10), "sequential")
    assert row.n_forwards == 10
    tokens = list(row.canvas.context)
    for token in texts(row)[0]:
        logits = plain_logits(MODEL, tokens, range(len(tokens)), 0)[-1]
        assert token == int(logits.argmax())
        tokens.append(token)


def test_verified_keeps_several_tokens_a_cycle_when_the_readings_agree() -> None:
    """A drafted block that the causal reading wrote itself is kept whole."""
    canvas = make_canvas(20, 9)
    own = texts(fill(make_canvas(20, 9), "sequential"))[0]
    row = make_row(canvas, "verified", block=3)

    def redraft(canvas: Canvas) -> None:
        for span in canvas.open_spans:
            if span.block is not None:
                n = len(span.tokens)
                span.block.tokens[:] = torch.tensor(own[n : n + len(span.block)])

    denoise(MODEL, [row], redraft)
    assert texts(row)[0] == own
    assert row.n_forwards == 6, "three blocks, drafted and committed"


@pytest.mark.parametrize("block", [2, 5, 8])
@pytest.mark.parametrize("seed", range(3))
def test_fused_writes_what_token_by_token_writes_in_fewer_passes_than_verified(block: int, seed: int) -> None:
    end = frozenset({SEEDFILL.end_id, *range(FIRST_TEXT, FIRST_TEXT + 12)})
    fused, verified, single = (
        fill(make_canvas(limit=16, seed=seed, stops=end), policy, block=block)
        for policy in ("fused", "verified", "sequential")
    )
    assert texts(fused) == texts(single)
    assert fused.canvas.spans[0].finish == single.canvas.spans[0].finish
    assert fused.canvas.spans[0].log_probs == pytest.approx(single.canvas.spans[0].log_probs, abs=1e-3)
    assert fused.n_forwards < verified.n_forwards or verified.n_forwards == 0


def test_fused_keeps_several_tokens_a_pass_when_the_readings_agree() -> None:
    own = texts(fill(make_canvas(20, 9), "sequential"))[0]
    row = make_row(make_canvas(20, 9), "fused", block=4)

    def draft_right(canvas: Canvas) -> None:
        span = canvas.spans[0]
        span.draft = own[len(span.tokens) + 1 : len(span.tokens) + 4]

    denoise(MODEL, [row], draft_right)
    assert texts(row)[0] == own
    assert row.n_forwards == 3, "one token, then four a pass"


def test_a_draft_is_what_masks_behind_the_kept_tokens_say() -> None:
    """Behind every token of the block stands a group that sees the row up to there, as a draft of its own would."""
    row = make_row(make_canvas(20, 12), "fused", block=4)

    def check(canvas: Canvas) -> None:
        span, n = canvas.spans[0], len(canvas.context)
        size = min(4, 12 - len(span.tokens))
        tokens = [*canvas.context, *span.tokens, *[MASK] * size, TOKENIZER.id(LIVE_MARKER)]
        start = n + len(span.tokens)
        logits = plain_logits(MODEL, tokens, [*range(start + size), start], size + 1)[start + 1 : start + size]
        assert span.draft == (logits.argmax(-1).tolist() if span.finish is None else [])

    denoise(MODEL, [row], check)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 99), st.integers(1, 4), st.integers(1, 30), st.booleans())
def test_lookup_writes_what_token_by_token_writes(seed: int, n_kinds: int, limit: int, has_end: bool) -> None:
    """Behind a context of few kinds of token there is always something to look up, ends among them."""
    end = frozenset({SEEDFILL.end_id, *range(FIRST_TEXT, FIRST_TEXT + 12)}) if has_end else NO_STOP
    canvas = make_canvas(20, limit, seed=seed, stops=end)
    canvas.context[:] = [FIRST_TEXT + 5 * (token % n_kinds) for token in canvas.context]
    looked, single = (fill(deepcopy(canvas), policy) for policy in ("lookup", "sequential"))
    assert texts(looked) == texts(single)
    assert looked.canvas.spans[0].finish == single.canvas.spans[0].finish
    assert looked.canvas.spans[0].log_probs == pytest.approx(single.canvas.spans[0].log_probs, abs=1e-3)
    assert looked.n_forwards <= single.n_forwards


def test_lookup_keeps_several_tokens_a_pass_where_the_text_stood_before() -> None:
    own = texts(fill(make_canvas(20, 40), "sequential"))[0]
    row = make_row(make_canvas(20, 40), "lookup")
    row.drafter = Lookup([*own, *row.canvas.context])
    denoise(MODEL, [row])
    assert texts(row)[0] == own
    assert row.n_forwards <= 12, "a token or two until a place is found, then five a pass"


def test_lookup_fills_several_holes_token_by_token() -> None:
    looked, single = (fill(make_canvas(20, 10, 3), policy) for policy in ("lookup", "sequential"))
    assert texts(looked) == texts(single) and looked.n_forwards == single.n_forwards


def test_fused_holes_are_filled_as_verified_ones() -> None:
    fused, verified = (fill(make_canvas(20, 10, 3), policy, block=4) for policy in ("fused", "verified"))
    assert texts(fused) == texts(verified) and fused.n_forwards == verified.n_forwards


def test_verified_holes_end_and_read_as_their_row_does() -> None:
    row = fill(make_canvas(20, 10, 3), "verified", block=4)
    assert [len(tokens) for tokens in texts(row)] == [10, 10, 10]
    assert all(len(span.log_probs) == 10 for span in row.canvas.spans)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_only_masked_positions_change_the_context_never_and_it_ends(policy: Policy, temperature: float) -> None:
    canvas = make_canvas(15, 13, 2, stops=frozenset({SEEDFILL.end_id}))
    context = list(canvas.context)
    row = make_row(canvas, policy, temperature=temperature, generator=torch.Generator().manual_seed(0))
    written: list[list[int]] = [[], []]

    def look(canvas: Canvas) -> None:
        assert canvas.context == context
        for i, span in enumerate(canvas.spans):
            block = span.block
            if block is not None:
                assert MASK not in block.tokens[~block.is_masked].tolist()
                assert (block.tokens[block.is_masked] == MASK).all()
            if policy not in CHECKED:
                now = span.tokens + ([] if block is None else block.tokens[block.n_anchor :].tolist())
                kept = [(a, b) for a, b in zip(written[i], now, strict=False) if a != MASK]
                assert all(a == b for a, b in kept)
                written[i] = now

    denoise(MODEL, [row], look)
    assert row.n_forwards <= 2 * 2 * 13 + 2
    for tokens in texts(row):
        assert 1 <= len(tokens) <= 13
        assert not set(tokens) & set(SEEDFILL.forbidden_ids)


def test_what_follows_an_end_token_in_its_block_is_dropped() -> None:
    reference = texts(fill(make_canvas(20, 8), threshold=0.0))[0]
    stop_token = reference[3]
    row = fill(make_canvas(20, 8, stops=frozenset({stop_token})), threshold=0.0)
    (span,) = row.canvas.spans
    assert span.tokens == reference[: reference.index(stop_token) + 1]
    assert span.finish == "end" and len(span.log_probs) == len(span.tokens)


def test_an_end_that_the_context_already_decides_takes_no_forward() -> None:
    first = texts(fill(make_canvas(), "sequential"))[0][0]
    row = make_row(make_canvas(stops=frozenset({first})), "verified")
    assert row.canvas.is_finished and row.n_forwards == 0
    assert texts(row) == [[first]]


def test_stopping_keeps_what_is_decided() -> None:
    whole = texts(fill(make_canvas(limit=12), "fixed", threshold=0.0, block=4))[0]
    row = make_row(make_canvas(limit=12), "fixed", threshold=0.0, block=4)
    for _ in range(8):  # the first block takes five passes
        denoise_step(MODEL, [row])
    stop(row, "deadline")
    (span,) = row.canvas.spans
    assert span.finish == "deadline" and 4 <= len(span.tokens) < 12
    assert span.tokens == whole[: len(span.tokens)]
    assert len(span.log_probs) == len(span.tokens)


def test_the_same_seed_fills_the_same() -> None:
    def sampled(seed: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        return texts(fill(make_canvas(limit=20), temperature=1.5, generator=generator))

    assert sampled(1) == sampled(1) != sampled(2)


def test_rows_share_a_slot_without_disturbing_each_other() -> None:
    canvas = make_canvas()
    slot, _ = read_context(MODEL, canvas)
    before = slot.key_values.keys.clone()
    sampling = Sampling("threshold", 0.9, 4)
    rows = [start_row(MODEL, canvas.copy(), sampling, slot) for _ in range(3)]
    denoise(MODEL, rows)
    assert texts(rows[0]) == texts(rows[1]) == texts(rows[2]) == texts(fill(make_canvas(), block=4))
    assert torch.equal(slot.key_values.keys, before)


def dream_canvas(length: int, n_holes: int = 1, seed: int = 0) -> Canvas:
    pieces = [random_tokens(7 + i, seed + i) for i in range(n_holes + 1)]
    pieces[0] = [40, *pieces[0]]
    spans = [Span(start=0, limit=length) for _ in range(n_holes)]
    return Canvas([t for piece in pieces for t in piece], [], spans, NO_STOP, pieces)


def dream_fill(cache: str, canvas: Canvas, block: int, on_step: Any = None) -> Row:
    model = dataclasses.replace(DREAM_MODEL, profile=dataclasses.replace(DREAM, cache=cache))
    row = start_row(model, canvas, Sampling("fixed", 0.0, block), None)
    denoise(model, [row], on_step)
    return row


@pytest.mark.parametrize("n_holes", [1, 2])
def test_in_place_without_a_cache_equals_full_forwards(n_holes: int) -> None:
    canvas = dream_canvas(6, n_holes)
    rows = [canvas.in_place(DREAM.mask_id)]

    def check(canvas: Canvas) -> None:
        before, after = rows[-1], canvas.in_place(DREAM.mask_id)
        n = len(before)
        hidden = DREAM_MODEL.backbone(
            torch.tensor([before]), torch.arange(n), Masked(torch.ones(n, n, dtype=torch.bool))
        )
        logits = forbid(DREAM_MODEL.backbone.logits(hidden[0]), DREAM_MODEL.is_forbidden)
        shifted = torch.cat([logits[:1], logits[:-1]])
        changed = [p for p in range(n) if before[p] != after[p]]
        assert changed and all(before[p] == DREAM.mask_id for p in changed)
        assert [after[p] for p in changed] == shifted[changed].argmax(-1).tolist()
        rows.append(after)

    row = dream_fill("none", canvas, 3, check)
    assert len(rows) == 7, "each step unmasks one token a hole"
    assert row.n_forwards == 12, "a refresh and a step each"


def test_in_place_refreshes_once_a_block_and_ends() -> None:
    row = dream_fill("refresh-per-block", dream_canvas(6), 3)
    assert row.n_forwards == 6 + 2
    assert row.canvas.spans[0].finish == "end" and len(texts(row)[0]) == 6
    first = texts(dream_fill("none", dream_canvas(6), 3))[0]
    assert len(first) == 6


def test_a_batch_mixes_the_rows_of_in_place_requests() -> None:
    alone = [dream_fill("refresh-per-block", dream_canvas(n, seed=n), 4) for n in (3, 8)]
    rows = [start_row(DREAM_MODEL, dream_canvas(n, seed=n), Sampling("fixed", 0.0, 4), None) for n in (3, 8)]
    denoise(DREAM_MODEL, rows)
    assert [texts(row) for row in rows] == [texts(row) for row in alone]
