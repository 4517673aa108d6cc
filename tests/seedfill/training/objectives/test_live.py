from dataclasses import replace

import numpy as np
import pytest

from sampler.model.layout import LIVE_MARKER
from sampler.model.tokenizer import Tokenizer
from seedfill.training.data import rows
from seedfill.training.data.samples import Mix, SampleSource
from seedfill.training.loop import runs
from seedfill.training.objectives import live
from seedfill.training.objectives.corrupt import EditNoise
from tests.seedfill.training.data.test_samples import SOURCE, TEXT

TOKENIZER = Tokenizer.load(runs.shipped_tokenizer())
MASK, MARKER, PAD = (TOKENIZER.id(name) for name in ("<mask>", LIVE_MARKER, "<pad>"))
LENGTH = 256
MASKED = live.LiveNoise()
EDITED = replace(MASKED, edited_share=1.0, edits=EditNoise(max_rate=0.1))


def _rows(seed: int, noise: live.LiveNoise, source: SampleSource = SOURCE) -> tuple[rows.Rows, live.LiveRows]:
    return live.two_stream_rows(source, noise, seed=seed, step=0, rows=range(2), length=LENGTH, n_live=128)


@pytest.mark.parametrize("noise", [MASKED, EDITED], ids=["masked", "edited"])
@pytest.mark.parametrize("seed", range(5))
def test_a_live_token_sees_its_group_and_the_clean_tokens_before_it(seed: int, noise: live.LiveNoise) -> None:
    one_span = SampleSource(SOURCE.documents, TOKENIZER, Mix(holes=0))  # of several, later rounds stand further back
    clean, noised = _rows(seed, noise, one_span)
    for row in range(2):
        for i in np.flatnonzero(noised.is_maskable[row] | noised.is_edited[row]):
            seen = np.flatnonzero(noised.mask[row, i])
            limit = int((seen < LENGTH).sum())
            group = seen[limit:] - LENGTH
            assert (seen[:limit] == np.arange(limit)).all()
            assert i in group
            assert noised.tokens[row, group[-1]] == MARKER
            assert noised.positions[row, i] > clean.positions[row, limit - 1]


@pytest.mark.parametrize("seed", range(5))
def test_without_edits_only_masks_are_predicted_and_weighed(seed: int) -> None:
    _, noised = _rows(seed, MASKED)
    is_masked = noised.tokens == MASK
    assert ((noised.targets != rows.IGNORED) == is_masked).all()
    assert ((noised.weights > 0) == is_masked).all()
    assert is_masked.any()
    assert not (is_masked & ~noised.is_maskable).any()


@pytest.mark.parametrize("seed", range(5))
def test_every_token_of_an_edited_group_is_judged(seed: int) -> None:
    _, noised = _rows(seed, EDITED)
    assert noised.is_edited.any()
    assert (noised.targets[noised.is_edited] != rows.IGNORED).all()
    assert not (noised.tokens[noised.is_edited] == MASK).any()
    unchanged = noised.targets[noised.is_edited] == noised.tokens[noised.is_edited]
    assert 0.8 < unchanged.mean() < 1.0


def test_padding_and_markers_teach_nothing() -> None:
    _, noised = _rows(0, MASKED)
    silent = (noised.tokens == PAD) | (noised.tokens == MARKER)
    assert (noised.targets[silent] == rows.IGNORED).all()
    assert (noised.weights[silent] == 0).all()


def test_live_text_is_text_of_the_document() -> None:
    _, noised = _rows(1, MASKED)
    text = TOKENIZER.decode([int(t) for t in noised.targets[0] if t != rows.IGNORED])
    assert text.strip()
    assert set(text) <= set(TEXT) | set("p/.012python\nfix the code repair this correct bug it")
