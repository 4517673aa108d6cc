"""Old code as the start of an edit: what blocks show and ask leads to the new code."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.model.layout import LIVE_MARKER
from sampler.model.tokenizer import Tokenizer
from seedfill.training.data import rows
from seedfill.training.data.old_code import draft_blocks
from seedfill.training.data.samples import Mix, SampleSource
from seedfill.training.loop import runs
from seedfill.training.objectives import live
from tests.seedfill.training.data.test_samples import SOURCE

TOKENIZER = Tokenizer.load(runs.shipped_tokenizer())
MASK, END, DELETE, EXPAND = (TOKENIZER.id(name) for name in ("<mask>", "<span_end>", "<delete>", "<expand>"))
TOKENS = st.lists(st.integers(100, 109), max_size=60)
EDITS = SampleSource(SOURCE.documents, TOKENIZER, Mix(plain=0, infill=0, holes=0, repair=0, instruct=1, drafts=1))


@given(TOKENS, TOKENS, st.integers(0, 1 << 30))
def test_blocks_stand_in_order_and_show_old_code_or_what_it_became(old: list[int], new: list[int], seed: int) -> None:
    blocks = draft_blocks([*old, END], [*new, END], TOKENIZER, Random(seed))
    assert {token for block in blocks for token in block.tokens} <= {MASK, END, *old, *new}
    before = [block.n_before for block in blocks]
    assert before[0] == 0
    assert before == sorted(before)
    assert before[-1] <= len(new) + 1


def test_half_of_the_drafts_have_some_changes_done_already() -> None:
    old, new = [*range(100, 140), END], [*range(100, 110), *range(210, 230), *range(130, 135), END]
    shown = [{t for block in draft_blocks(old, new, TOKENIZER, Random(i)) for t in block.tokens} for i in range(200)]
    assert 70 < sum(bool(tokens & set(range(210, 230))) for tokens in shown) < 130
    assert sum(set(range(135, 140)) <= tokens for tokens in shown) > 70  # what goes is still there


@given(TOKENS, TOKENS, st.integers(0, 1 << 30))
def test_doing_what_the_targets_say_gives_the_new_code_but_for_what_expands(
    old: list[int], new: list[int], seed: int
) -> None:
    blocks = draft_blocks([*old, END], [*new, END], TOKENIZER, Random(seed))
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        end = len(new) + 1 if following is None else following.n_before
        becomes = [*new, END][block.n_before : end]
        said = [target for target in block.targets if target not in (DELETE, EXPAND)]
        remaining = iter(becomes)
        assert all(token in remaining for token in said)
        if EXPAND not in block.targets:
            assert said == becomes


@given(TOKENS, st.integers(0, 1 << 30))
def test_of_what_stays_every_token_is_its_own_target(old: list[int], seed: int) -> None:
    blocks = draft_blocks([*old, END], [*old, END], TOKENIZER, Random(seed))
    assert [target for block in blocks for target in block.targets] == [*old, END]


def test_three_in_four_drafts_are_shown_as_they_are() -> None:
    drawn = [draft_blocks([*range(100, 160), END], [*range(100, 160), END], TOKENIZER, Random(i)) for i in range(200)]
    whole = sum(all(MASK not in block.tokens for block in blocks) for blocks in drawn)
    assert 130 < whole < 170


@pytest.mark.parametrize("seed", range(10))
def test_a_row_judges_old_code_behind_the_new_code_before_it(seed: int) -> None:
    clean, noised = live.two_stream_rows(
        EDITS, live.LiveNoise(), seed=seed, step=0, rows=range(2), length=512, n_live=256
    )
    marker = TOKENIZER.id(LIVE_MARKER)
    assert noised.is_edited.any()
    assert (noised.targets[noised.is_edited] != rows.IGNORED).all()
    for row in range(2):
        for i in np.flatnonzero(noised.is_edited[row]):
            seen = np.flatnonzero(noised.mask[row, i])
            limit = int((seen < 512).sum())
            assert (seen[:limit] == np.arange(limit)).all()
            assert noised.tokens[row, seen[-1] - 512] == marker
            assert noised.positions[row, seen[limit] - 512] == clean.positions[row, limit - 1] + 1


def test_drafts_are_made_only_where_a_mix_asks_for_them() -> None:
    def n_drafts(mix: Mix) -> int:
        source = SampleSource(SOURCE.documents, TOKENIZER, mix)
        return sum(bool(source.repair(SOURCE.documents[0], Random(seed)).drafts) for seed in range(40))

    assert n_drafts(Mix()) == 0
    assert 8 < n_drafts(replace(Mix(), drafts=0.5)) < 32
