"""A checkpoint's figures on held-out text: what each of them says of models whose answers are known."""

from __future__ import annotations

import json
import lzma
import math
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

from sampler.model import checkpoint
from sampler.model.attention import Causal
from sampler.model.checkpoint import LoadedModel
from seedfill import cli
from seedfill.training.data import spans
from seedfill.training.data.corpus import Document
from seedfill.training.studies import bits, correction, scorecard, tradeoff
from tests.support.stdlib import stdlib_modules
from tests.support.tiny_model import make_tiny_model

SIZES = (1, 3, 8)


def documents() -> list[Document]:
    return stdlib_modules(more_than=8_000)[:4]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def model(folder: Path) -> LoadedModel:
    return checkpoint.load(folder)


def test_a_model_that_knows_nothing_needs_the_same_bits_in_blocks_of_any_size(model: LoadedModel) -> None:
    model.backbone.model.embed_tokens.weight.data.zero_()
    found = bits.bits_per_byte(model, documents(), SIZES, n_rows=1)
    tokens = bits.stretch(documents(), model.tokenizer, Random(0), bits.LENGTH - 1)
    n_bytes = sum(len(model.tokenizer.token_bytes[token]) for token in tokens)
    expected = len(tokens) * math.log2(model.backbone.config.vocab_size) / n_bytes
    assert found == pytest.approx(dict.fromkeys(["causal", "1", "3", "8"], expected), rel=1e-4)


def test_the_causal_figure_is_the_text_s_own_log_probability(model: LoadedModel) -> None:
    found = bits.bits_per_byte(model, documents(), (), n_rows=1, seed=5)
    tokens = bits.stretch(documents(), model.tokenizer, Random(5), bits.LENGTH - 1)
    row = torch.tensor([[model.tokenizer.id("<prefix>"), *tokens]])
    hidden = model.backbone(row, torch.arange(row.shape[1])[None], Causal())
    log_probs = model.backbone.logits(hidden)[0, :-1].log_softmax(-1)
    nats = -log_probs.gather(-1, row[0, 1:, None]).sum()
    n_bytes = sum(len(model.tokenizer.token_bytes[token]) for token in tokens)
    assert found["causal"] == pytest.approx(float(nats) / math.log(2) / n_bytes, rel=1e-4)


def test_the_text_is_the_same_whatever_is_asked_of_it(model: LoadedModel) -> None:
    alone = bits.bits_per_byte(model, documents(), (), n_rows=3)
    assert bits.bits_per_byte(model, documents(), (3,), n_rows=3)["causal"] == alone["causal"]


@pytest.mark.parametrize("size", SIZES)
def test_a_block_sees_the_text_before_it_and_masks_in_itself(model: LoadedModel, size: int) -> None:
    tokens = [model.tokenizer.id("<prefix>"), *range(100, 120)]
    live = bits.masked_blocks(tokens, size, model.tokenizer, Random(0))
    mask_id = model.tokenizer.id("<mask>")
    for i in range(live.tokens.shape[1]):
        seen = np.flatnonzero(live.mask[0, i])
        clean = seen[seen < len(tokens)]
        first = min(int(live.positions[0, j - len(tokens)]) for j in seen if j >= len(tokens))
        assert clean.tolist() == list(range(first))
        assert (live.targets[0, i] >= 0) == (live.tokens[0, i] == mask_id)
    weights = live.weights[0]
    assert weights.sum() == pytest.approx(len(tokens) - 1)


def test_a_model_that_is_never_sure_leaves_every_token_as_it_is(model: LoadedModel) -> None:
    assert correction.correct(model, [100] * 9, [*range(110, 140)], [100] * 4, edit_threshold=1.0) == [*range(110, 140)]


def test_wrong_tokens_are_as_many_as_asked_for() -> None:
    tokens = [*range(50, 110)]
    for seed in range(20):
        seen = correction.substituted(tokens, 3, 384, Random(seed))
        assert sum(a != b for a, b in zip(tokens, seen, strict=True)) == 3


@pytest.mark.parametrize(
    ("result", "restored", "spoiled", "exact"),
    [
        ([1, 2, 3, 4, 5], 1.0, 0.0, 1.0),
        ([1, 9, 3, 4, 5], 0.0, 0.0, 0.0),
        ([1, 2, 3, 4, 8], 1.0, 0.25, 0.0),
        ([1, 3, 4, 5], 0.0, 0.0, 0.0),
        ([7, 1, 2, 3, 4, 5], 1.0, 0.0, 0.0),
        ([], 0.0, 1.0, 0.0),
    ],
)
def test_what_came_of_wrong_and_right_tokens(result: list[int], restored: float, spoiled: float, exact: float) -> None:
    found = correction.tally([correction.Corrected([1, 2, 3, 4, 5], [1, 9, 3, 4, 5], result)])
    assert found == {"restored": restored, "spoiled": spoiled, "exact_match": exact}


def test_spans_are_cut_from_their_files() -> None:
    texts = {document.text for document in documents()}
    lines, blocks = spans.line_spans(documents(), 20), spans.block_spans(documents(), 20)
    assert all(task.whole(task.gold) in texts for task in (*lines, *blocks))
    assert all("\n" not in task.gold and task.suffix[:1] in ("\n", "") for task in lines)
    assert all("\n" in task.gold and not task.gold[0].isspace() for task in blocks)
    assert lines == spans.line_spans(documents(), 20)
    assert lines != spans.line_spans(documents(), 20, seed=1)


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("a, b, a, b, a, b, a, b, ", True),
        ("    x = 1\n" * 4, True),
        ("x = f(f(f(f(1))))", True),
        ("x = 1\ny = 2\nz = 3\n", False),
        ("# " + "=" * 3, False),
        (" " * 40 + "x", False),
        ("", False),
    ],
)
def test_turning_in_circles_is_seen(text: str, does: bool) -> None:
    assert spans.repeats(text) is does


POINTS: list[dict[str, Any]] = [
    {"policy": "sequential", "exact_match": 0.5, "tokens_per_forward": 0.9},
    {"policy": "threshold", "block_size": 1, "threshold": 0.95, "exact_match": 0.4, "tokens_per_forward": 0.5},
    {"policy": "threshold", "block_size": 8, "threshold": 0.9, "exact_match": 0.395, "tokens_per_forward": 2.0},
    {"policy": "threshold", "block_size": 8, "threshold": 0.5, "exact_match": 0.3, "tokens_per_forward": 4.0},
]


def test_equal_quality_is_a_point_below_blocks_of_one() -> None:
    assert tradeoff.best_at_equal_quality(POINTS) == POINTS[2]
    assert tradeoff.best_at_equal_quality(POINTS[:1]) == POINTS[0]
    assert tradeoff.best_at_equal_quality([]) is None


def test_the_sweep_has_its_baselines() -> None:
    found = list(tradeoff.settings((1, 8)))
    assert found[0] == {"policy": "sequential"}
    assert {"policy": "verified", "block_size": 8} in found
    assert sum(setting.get("block_size") == 1 for setting in found) == 1


def test_sweeps_are_drawn_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    rows = {"before": {"sweep": POINTS}, "after": {"sweep": POINTS[:1]}, "unswept": {}}
    files = [tmp_path / f"{name}.json" for name in rows]
    for file, row in zip(files, rows.values(), strict=True):
        file.write_text(json.dumps(row))
    out = tmp_path / "new" / "sweep.png"
    assert cli.run(["train", "table", *map(str, files), "--plot", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert cli.run(["train", "table", str(files[2]), "--plot", str(out)]) == 2
    assert "evaluate --sweep" in capsys.readouterr().err


@pytest.fixture
def corpus_folder(tmp_path: Path) -> Path:
    lines = "".join(json.dumps(asdict(document)) + "\n" for document in documents())
    (tmp_path / "heldout.jsonl.xz").write_bytes(lzma.compress(lines.encode()))
    return tmp_path


def _infill_file(folder: Path) -> Path:
    task = {"task_id": "a/0", "prompt": "x = ", "suffix": "\n", "canonical_solution": "1", "test": "assert x == 1"}
    (folder / "infill.jsonl").write_text(json.dumps(task))
    return folder / "infill.jsonl"


def _edit_file(folder: Path) -> Path:
    task = {"kind": "rename", "instruction": "rename x to y", "source": "x = 1\n", "start": 0, "end": 6}
    (folder / "edits.jsonl").write_text(json.dumps({"task_id": "rename/0", **task, "replacement": "y = 1\n"}))
    return folder / "edits.jsonl"


def test_evaluate_prints_every_figure(
    folder: Path, corpus_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "evaluate", str(folder), "--corpus", str(corpus_folder), "--device", "cpu", "--json"]
    arguments += ["--tasks", str(_infill_file(tmp_path)), "--edits", str(_edit_file(tmp_path))]
    assert cli.run([*arguments, "--limit", "1", "--block-sizes", "1,8", "--sweep"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["bits_per_byte"]) == {"causal", "1", "8"}
    assert set(found["self_correction"]) == {"restored", "spoiled", "exact_match"}
    assert {"exact_match", "tokens_per_forward", "parse_rate", "repetition_rate"} <= set(found["line"])
    assert set(found["line"]) == set(found["lines"])
    assert {point["policy"] for point in found["sweep"]} == {"sequential", "lookup", "verified", "fused", "threshold"}
    assert found["tasks"]["n"] == found["edits"]["n"] == 1 and 0 <= found["tasks"]["floor_pass_at_1"] <= 1


def test_stages_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cards = {"trunk": {"bits_per_byte": {"causal": 1.5}}, "branch": {"tasks": {"pass_at_1": 0.25}, "edits": None}}
    paths = [tmp_path / f"{name}.json" for name in cards]
    for path, card in zip(paths, cards.values(), strict=True):
        path.write_text(json.dumps(card))
    assert cli.run(["train", "table", *map(str, paths)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "|  | bits a byte, causal | pass@1 |",
        "| --- | --- | --- |",
        "| trunk | 1.50 | – |",
        "| branch | – | 0.25 |",
    ]
    paths[0].write_text("[]")
    assert cli.run(["train", "table", str(paths[0])]) == 2
    assert "train evaluate --json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--block-sizes", "0,8"], "Block sizes"),
        (["--block-sizes", "many"], "Block sizes"),
        (["--corpus", "nowhere"], "no heldout corpus"),
        (["--tasks", "nowhere.jsonl"], "no task file"),
    ],
)
def test_evaluate_complains_in_a_sentence(
    folder: Path, corpus_folder: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["train", "evaluate", str(folder), "--device", "cpu", "--corpus", str(corpus_folder)]
    assert cli.run([*common, *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_evaluate_wants_a_checkpoint(corpus_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "evaluate", str(corpus_folder), "--corpus", str(corpus_folder), "--device", "cpu"]
    assert cli.run(arguments) == 2
    assert capsys.readouterr().err.strip()


def test_files_that_are_too_short_are_named(model: LoadedModel) -> None:
    with pytest.raises(ValueError, match="too short"):
        bits.stretch([Document("p", "a.py", "python", "x = 1\n" * 9)], model.tokenizer, Random(0), 300)


def test_figures_are_lines_for_a_person() -> None:
    found = {"model": "m", "line": {"exact_match": 0.5}, "sweep": [{"policy": "fixed", "x": None}]}
    assert dict(scorecard.flat(found)) == {
        "model": "m",
        "line exact_match": "0.500",
        "sweep  0": "policy fixed, x None",
    }
