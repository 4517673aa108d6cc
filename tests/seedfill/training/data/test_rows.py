import numpy as np

from sampler.model.tokenizer import RESERVED, Tokenizer
from seedfill.training.data import rows
from seedfill.training.data.samples import Sample
from seedfill.training.loop import runs
from tests.seedfill.training.data.test_samples import SOURCE

TOKENIZER = Tokenizer.load(runs.shipped_tokenizer())
END = TOKENIZER.id("<span_end>")
A, B = (TOKENIZER.id(f"<hole_{i}>") for i in range(2))


def test_causal_rows_predict_what_comes_next_and_no_reserved_token() -> None:
    batch = rows.causal_rows(SOURCE, seed=0, step=0, rows=range(4), length=512)
    assert batch.tokens.shape == batch.positions.shape == batch.targets.shape == (4, 512)
    taught = batch.targets != rows.IGNORED
    follows = np.zeros_like(taught)
    follows[:, :-1] = batch.targets[:, :-1] == batch.tokens[:, 1:]
    assert (follows | ~taught)[:, :-1].mean() > 0.99  # holes' first blocks apart, the next token is the next in the row
    assert set(batch.targets[taught & (batch.targets < len(RESERVED))]) <= {END, TOKENIZER.id("<doc_end>")}


def test_rows_depend_on_seed_step_and_row_alone() -> None:
    both = rows.causal_rows(SOURCE, seed=3, step=7, rows=range(2), length=128)
    second = rows.causal_rows(SOURCE, seed=3, step=7, rows=range(1, 2), length=128)
    assert (both.tokens[1] == second.tokens[0]).all()
    assert (both.tokens != rows.causal_rows(SOURCE, seed=3, step=8, rows=range(2), length=128).tokens).any()


def test_spans_are_laid_out_in_rounds_of_blocks() -> None:
    sample = Sample([50, 51], [[60, 61, 62, END], [70, END]], [[A], [B]], [2, 130])
    stream = rows.Stream()
    rows.append(stream, sample, 3, TOKENIZER)
    assert stream.tokens == [50, 51, A, 60, 61, 62, B, 70, END, END]
    assert stream.positions == [0, 1, 2, 3, 4, 5, 130, 131, 132, 6]
    assert stream.targets == [51, -100, 60, 61, 62, END, 70, END, -100, -100]
    first, second = stream.groups
    assert (first.limit, second.limit) == (2, 9)
    assert first.tokens == [A, 60, 61, 62, B, 70, END, END]  # the short span is filled up with ends
    assert second.tokens == [END, END, END]
    assert second.positions == [6, 7, 8]
