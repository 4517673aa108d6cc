"""Self-correction: what the model says of a written token is done to it, within bounds, and it always ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sampler.decoding.canvas import Canvas
from sampler.decoding.denoise import Row, denoise, read_context, start_row
from sampler.decoding.unmask import EDIT_STEPS, Sampling
from sampler.model import checkpoint
from sampler.model.attention import Packed
from sampler.model.backbone import Backbone
from sampler.model.families import UnknownFamily, recognise
from sampler.protocol.messages import Policy
from tests.sampler.decoding.test_denoise import FIRST_TEXT, MASK, NO_STOP, OWN, TOKENIZER, VOCAB, make_canvas, texts
from tests.support.tiny_model import tiny_backbone, tiny_shape

CONFIG = {"architectures": ["SeedfillForDiffusion"], "vocab_size": VOCAB, "seedfill": {**OWN, "edits": True}}
PROFILE = recognise(CONFIG, TOKENIZER)
DELETE, EXPAND, END, MARKER = PROFILE.delete_id, PROFILE.expand_id, PROFILE.end_id, PROFILE.live_marker_id
A, B, C, X = range(FIRST_TEXT, FIRST_TEXT + 4)
STOP = frozenset({END})


class ScriptedBackbone:
    """A network whose logits (n, V) at a live block are what `say` makes of its tokens, the marker apart."""

    def __init__(self, say: Callable[[list[int]], Tensor]) -> None:
        self.config, self.say = tiny_shape(), say

    read: Any = Backbone.read
    threads: Any = Backbone.threads

    def __call__(self, tokens: Tensor, positions: Tensor, attend: Packed) -> Tensor:
        nothing = torch.zeros(1, 1, tokens.shape[1], 2)
        attend(0, nothing, nothing, nothing)
        row, logits = tokens[0].tolist(), torch.zeros(tokens.shape[1], VOCAB)
        if row[-1] == MARKER:
            logits[:-1] = self.say(row[:-1])
        return logits[None]

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden


def scripted(say: Callable[[list[int]], Tensor]) -> Any:
    is_forbidden = torch.zeros(VOCAB, dtype=torch.bool)
    is_forbidden[list(PROFILE.forbidden_ids)] = True
    return SimpleNamespace(network=ScriptedBackbone(say), profile=PROFILE, is_forbidden=is_forbidden)


def saying(script: dict[tuple[int, ...], Sequence[int]]) -> Any:
    """A model that answers a block by the script, and keeps what is not in it."""
    return scripted(lambda block: torch.eye(VOCAB)[list(script.get(tuple(block), block))] * 20.0)


def run(model: Any, canvas: Canvas, block: int, edit: float | None = 0.9, policy: Policy = "threshold") -> Row:
    sampling = Sampling(policy, 0.5, block, edit_threshold=edit)
    row = start_row(model, canvas, sampling, read_context(model, canvas)[0])
    denoise(model, [row])
    return row


M = MASK
SCRIPTS: dict[str, tuple[int, dict[tuple[int, ...], Sequence[int]], list[int]]] = {
    "replaced": (4, {(M, M, M, M): (A, X, C, END), (A, X, C, END): (A, B, C, END)}, [A, B, C, END]),
    "deleted": (4, {(M, M, M, M): (A, X, B, END), (A, X, B, END): (A, DELETE, B, END)}, [A, B, END]),
    "expanded": (
        3,
        {(M, M, M): (A, C, END), (A, C, END): (A, EXPAND, END), (A, M, C, END): (A, B, C, END)},
        [A, B, C, END],
    ),
    "expanded before its end": (
        2,
        {(M, M): (A, END), (A, END): (A, EXPAND), (A, M, END): (A, B, END)},
        [A, B, END],
    ),
    "all at once": (
        4,
        {(M, M, M, M): (X, X, C, END), (X, X, C, END): (DELETE, A, EXPAND, END), (A, M, C, END): (A, B, C, END)},
        [A, B, C, END],
    ),
    "mask expanded": (2, {(M, M): (EXPAND, END), (M, M, END): (A, B, END)}, [A, B, END]),
    "mask deleted": (3, {(M, M, M): (A, DELETE, END)}, [A, END]),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_said_is_done(name: str) -> None:
    block, script, expected = SCRIPTS[name]
    row = run(saying(script), make_canvas(limit=8, stops=STOP), block)
    assert texts(row) == [expected]
    assert row.canvas.spans[0].finish == "end"


def test_a_doubt_below_the_threshold_changes_nothing() -> None:
    def say(block: list[int]) -> Tensor:
        draft, wish = (20.0 * torch.eye(VOCAB)[[A, token, END]] for token in (X, B))
        return draft if block[0] == MASK else draft + 1.05 * wish

    assert texts(run(scripted(say), make_canvas(limit=8, stops=STOP), 3, edit=0.8)) == [[A, X, END]]
    assert texts(run(scripted(say), make_canvas(limit=8, stops=STOP), 3, edit=0.7)) == [[A, B, END]]


def test_off_means_one_draft_and_one_commit_and_on_costs_one_look_more() -> None:
    _, script, expected = SCRIPTS["replaced"]
    off = run(saying(script), make_canvas(limit=8, stops=STOP), 4, edit=None)
    on = run(saying(script), make_canvas(limit=8, stops=STOP), 4)
    assert texts(off) == [[A, X, C, END]] and off.n_forwards == 2
    assert texts(on) == [expected] and on.n_forwards == 4, "draft, repair, nothing more to repair, commit"


def test_what_the_causal_reading_checks_is_not_edited() -> None:
    row = run(saying(SCRIPTS["replaced"][1]), make_canvas(limit=8, stops=STOP), 4, policy="verified")
    assert not row.edits_left and row.sampling.n_edit_steps == 0


def test_a_span_never_outgrows_its_limit_nor_a_block_vanishes() -> None:
    growing = saying({})
    growing.network.say = lambda block: torch.eye(VOCAB)[[EXPAND] * len(block)] * 20.0 + torch.eye(VOCAB)[A] * 10.0
    assert texts(run(growing, make_canvas(limit=9, stops=NO_STOP), 2)) == [[A] * 9]
    growing.network.say = lambda block: torch.eye(VOCAB)[[DELETE] * len(block)] * 20.0 + torch.eye(VOCAB)[A] * 10.0
    assert texts(run(growing, make_canvas(limit=3, stops=NO_STOP), 2)) == [[A] * 3]


@given(
    st.integers(0, 10**6),
    st.integers(1, 9),
    st.integers(1, 14),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.05, 0.5, 0.99]),
    st.floats(0, 12),
    st.floats(0, 12),
)
@settings(max_examples=60, deadline=None)
def test_any_model_ends_within_its_bounds(
    seed: int, block: int, limit: int, n_holes: int, edit: float, expand: float, delete: float
) -> None:
    """Logits without sense or memory, leaning towards growing and shrinking."""
    generator = torch.Generator().manual_seed(seed)
    lean = torch.zeros(VOCAB)
    lean[EXPAND], lean[DELETE] = expand, delete
    model = scripted(lambda tokens: torch.randn(len(tokens), VOCAB, generator=generator) * 3 + lean)
    canvas = make_canvas(6, limit, n_holes, stops=STOP)
    anchors = [span.anchor for span in canvas.spans]
    row = start_row(
        model, canvas, Sampling("threshold", 0.9, block, edit_threshold=edit), read_context(model, canvas)[0]
    )

    def look(canvas: Canvas) -> None:
        for span, anchor in zip(canvas.spans, anchors, strict=True):
            if span.block is not None:
                assert span.block.tokens[: span.block.n_anchor].tolist() == (anchor if not span.tokens else [])
                assert ((span.block.tokens == MASK) == span.block.is_masked).all()
                assert len(span.tokens) + len(span.block) - span.block.n_anchor <= limit

    denoise(model, [row], look)
    for tokens in texts(row):
        assert 1 <= len(tokens) <= limit
        assert not set(tokens) & set(PROFILE.forbidden_ids)
    n_blocks = n_holes * limit
    assert row.n_forwards <= n_blocks * (limit + 2 * EDIT_STEPS + 2) + 1


@given(st.integers(0, 99), st.integers(1, 8))
@settings(max_examples=10, deadline=None)
def test_a_row_alone_and_in_a_batch_is_edited_alike(seed: int, block: int) -> None:
    model = checkpoint.loaded("tiny", tiny_backbone(seed), TOKENIZER, PROFILE, 2048)

    def rows() -> list[Row]:
        found = []
        for i, n_holes in enumerate((1, 2)):
            canvas = make_canvas(5 + i, 7, n_holes, seed + i, STOP)
            sampling = Sampling("threshold", 0.5, block, edit_threshold=0.1)
            found.append(start_row(model, canvas, sampling, read_context(model, canvas)[0]))
        return found

    together, alone = rows(), rows()
    denoise(model, together)
    for row in alone:
        denoise(model, [row])
    assert [texts(row) for row in together] == [texts(row) for row in alone]


def test_a_model_says_in_its_config_whether_it_edits() -> None:
    def profile(**own: Any) -> Any:
        return recognise({**CONFIG, "seedfill": {**OWN, **own}}, TOKENIZER)

    assert profile().edit_ids == () and profile().edit_threshold is None
    assert profile(edits=True).edit_ids == (TOKENIZER.id("<delete>"), TOKENIZER.id("<expand>"))
    assert profile(edits=True, edit_threshold=0.9).edit_threshold == 0.9
    for own in ({"edit_threshold": 0.9}, {"edits": True, "edit_threshold": 2}, {"edits": 1}):
        with pytest.raises(UnknownFamily):
            profile(**own)


def test_a_model_that_was_not_taught_to_edit_is_not_asked_to_grow() -> None:
    model = saying(SCRIPTS["expanded"][1])
    model.profile = replace(PROFILE, expand_id=None, delete_id=None)
    row = run(model, make_canvas(limit=8, stops=STOP), 3)
    assert len(texts(row)[0]) == 3
