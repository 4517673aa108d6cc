"""The studies run from end to end on a tiny network, and what they compare is what they say."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from sampler.decoding.canvas import Canvas
from sampler.decoding.denoise import denoise
from sampler.model.attention import Causal
from seedfill import cli
from seedfill.training.data.corpus import Document
from seedfill.training.loop import runs, smoke_recipes
from seedfill.training.loop.own_model import as_model
from seedfill.training.loop.trainer import Data
from seedfill.training.objectives import losses
from seedfill.training.studies import bits, studies, topology
from tests.support.tiny_model import tiny_backbone, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
MODEL = as_model(tiny_backbone(), TOKENIZER)
DOCUMENTS = [
    Document("stdlib", f"{module.__name__}.py", "python", inspect.getsource(module)[:12_000])
    for module in (argparse, ast, inspect)
]
DATA = Data(train=DOCUMENTS[:2], heldout=DOCUMENTS[2:], tokenizer=TOKENIZER)
TASKS = topology.span_tasks(DATA, studies.Size(n_tasks=4))


def test_a_shifted_live_token_is_read_where_the_one_before_it_stands() -> None:
    """Of a block of one, that is the causal reading."""
    tokens = bits.stretch(DOCUMENTS, TOKENIZER, Random(0), 20)
    row = [TOKENIZER.id("<prefix>"), *tokens]
    clean = bits._clean(row)
    hidden = MODEL.backbone(torch.tensor([row]), torch.arange(len(row))[None], Causal())
    for size in (1, 4):
        live = bits.masked_blocks(row, size, TOKENIZER, Random(1))
        both = losses._two_streams(MODEL.backbone, clean, live, torch.device("cpu"))
        before = losses._before(both, live, len(row))[0]
        for i, (position, target) in enumerate(zip(live.positions[0], live.targets[0], strict=True)):
            if target >= 0 and (position - 1) % size == 0:  # a block's first token
                torch.testing.assert_close(before[i], hidden[0, position - 1], atol=1e-4, rtol=0)
            elif target >= 0:
                assert torch.equal(before[i], both[0, len(row) + i - 1])


def test_the_sampler_reads_shifted_logits_as_training_does() -> None:
    """With every mask left open, a block's draft is what the shifted objective takes for its likeliest tokens."""
    model = replace(MODEL, profile=replace(MODEL.profile, logit_shift=1))
    task = replace(TASKS[2], gold=TASKS[2].gold[: topology.BLOCK])
    row = topology._start_suffix_first(model, task)
    row.sampling = replace(row.sampling, threshold=0.0)
    drafted: list[list[int]] = []

    def look(canvas: Canvas) -> None:
        block = canvas.spans[0].block
        drafted.append([] if block is None else block.tokens.tolist())

    denoise(model, [row], look)
    context, n = topology._context(TOKENIZER, task).tokens, len(task.gold)
    masks = [TOKENIZER.id("<mask>")] * n
    first = MODEL.backbone(torch.tensor([context]), torch.arange(len(context))[None], Causal())[0, -1:]
    own = topology._live_logits(MODEL, task, masks)[:-1]
    logits = torch.cat([MODEL.backbone.logits(first), own]).masked_fill(MODEL.is_forbidden, -torch.inf)
    assert drafted[0] == logits.argmax(-1).tolist()


def test_rows_of_a_whole_canvas_ask_for_masks_alone() -> None:
    recipe = replace(studies.branch_recipe(studies.Size()), length=64)
    stage = topology.WholeCanvas(recipe, DATA.train, DATA.heldout, TOKENIZER)
    batch = stage.draw(seed=0, step=0, own=range(3), held_out=False)
    is_masked = batch.tokens == TOKENIZER.id("<mask>")
    assert (
        is_masked.any()
        and np.array_equal(is_masked, batch.targets >= 0)
        and np.array_equal(is_masked, batch.weights > 0)
    )
    again = stage.draw(seed=0, step=0, own=range(1, 2), held_out=False)
    assert np.array_equal(again.tokens[0], batch.tokens[1])


def test_a_cache_saves_tokens_and_a_whole_canvas_has_less_of_one() -> None:
    costs = {}
    for name, model, is_whole in (
        ("exact", MODEL, False),
        ("refreshed", topology.in_place(MODEL, "refresh-per-block"), True),
        ("none", topology.in_place(MODEL, "none"), True),
    ):
        found = topology._figures(model, TASKS, TOKENIZER, is_whole)
        assert 0 <= found["exact_match"] <= found["tokens_right"] <= 1 and found["bits"] > 0
        costs[name] = found["tokens_computed"]
    assert costs["exact"] < costs["refreshed"] < costs["none"]


@pytest.fixture
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "read_data", lambda recipe, folder: DATA)
    network = replace(smoke_recipes.SMALLEST_NETWORK, vocab_size=TOKENIZER.vocab_size)
    monkeypatch.setattr(studies, "NETWORKS", {"stdlib": network})
    monkeypatch.setattr(studies, "N_ROWS", 1)


@pytest.mark.usefixtures("_tiny")
def test_adaptation_measures_the_trunk_and_every_branch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    arguments = ["--trunk-steps", "2", "--branch-steps", "2", "--points", "2", "--tasks", "1", "--json"]
    assert cli.run(["train", "study", "adaptation", *arguments, "--plot", str(tmp_path / "a.png")]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["logits"] for row in rows] == ["trunk", *(name for name in studies.BRANCHES for _ in range(2))]
    assert rows[1]["tokens"] < rows[2]["tokens"] and rows[0]["tokens"] == 0
    assert all((row["bits_blocks"] is None) == (row["logits"] in ("trunk", "next tokens alone")) for row in rows)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("_tiny")
def test_topology_compares_at_equal_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "study", "topology", "--trunk-steps", "1", "--branch-steps", "1", "--tasks", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and "bits" in lines[0]
    assert lines[2].startswith("| causal context") and lines[4].startswith("| whole canvas, no cache")
