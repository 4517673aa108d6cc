"""The mean of checkpoints is a checkpoint whose weights lie between theirs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from sampler.model import checkpoint
from sampler.model.backbone import Backbone
from seedfill import cli
from seedfill.commands.train.command import app
from seedfill.training.loop import averaging, runs
from seedfill.training.loop.own_model import notes
from seedfill.training.loop.smoke_recipes import SMALLEST_NETWORK
from tests.support.tiny_model import tiny_tokenizer


@pytest.fixture
def pair(tmp_path: Path) -> list[Path]:
    """Two checkpoints of one shape, of step 1 and step 2 of a run."""
    folders = []
    for step in (1, 2):
        torch.manual_seed(step)
        folders.append(tmp_path / str(step))
        _save(folders[-1], Backbone(SMALLEST_NETWORK), step)
    return folders


def _save(folder: Path, network: Backbone, step: int) -> None:
    said = notes("branch", step, 10 * step, {})
    checkpoint.save(folder, network, tiny_tokenizer(SMALLEST_NETWORK.vocab_size), max_positions=64, seedfill=said)


def test_weights_lie_between_by_their_shares(pair: list[Path], tmp_path: Path) -> None:
    averaging.average(pair, [1, 3], tmp_path / "mean")
    first, second, mean = (runs.read_exported(folder)[0] for folder in (*pair, tmp_path / "mean"))
    for name, weight in mean.items():
        torch.testing.assert_close(weight, 0.25 * first[name] + 0.75 * second[name], atol=0.02, rtol=0.02)


def test_the_mean_says_of_what(pair: list[Path], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["average", *map(str, pair), "--out", str(tmp_path / "mean"), "--json"])
    assert json.loads(result.stdout)["averaged"] == {"branch 1": 0.5, "branch 2": 0.5}
    said = json.loads((tmp_path / "mean" / "config.json").read_text())["seedfill"]
    assert (said["step"], said["averaged"]) == (1, {"branch 1": 0.5, "branch 2": 0.5})


def test_branches_of_one_step_count_together(pair: list[Path], tmp_path: Path) -> None:
    said = averaging.average([*pair, pair[0]], [1, 2, 1], tmp_path / "mean")
    assert said["averaged"] == {"branch 1": 0.5, "branch 2": 0.5}


@pytest.mark.parametrize("shares", [["--share", "1"], ["--share", "1", "--share", "0"]])
def test_shares_that_do_not_fit_are_refused(
    pair: list[Path], tmp_path: Path, shares: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["train", "average", *map(str, pair), *shares, "--out", str(tmp_path / "mean")]) == 2
    assert "share" in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()


def test_another_shape_is_refused(pair: list[Path], tmp_path: Path) -> None:
    _save(tmp_path / "wider", Backbone(replace(SMALLEST_NETWORK, intermediate_size=256)), 1)
    with pytest.raises(averaging.BadAverage, match="shape"):
        averaging.average([pair[0], tmp_path / "wider"], [1, 1], tmp_path / "mean")
