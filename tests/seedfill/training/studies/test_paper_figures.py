import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedfill import cli
from seedfill.commands.train.command import app
from seedfill.training.loop.own_model import as_model
from seedfill.training.studies import paper_figures
from tests.support.tiny_model import make_tiny_model, tiny_backbone, tiny_tokenizer


def _log(path: Path, rates: list[float]) -> Path:
    entries = [{"step": i + 1, "tokens_per_step": rate, "pass_rate": 0.5} for i, rate in enumerate(rates)]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in [{"step": 0, "norm": 1.0}, *entries]))
    return path


def test_speed_up_is_measured_against_the_start(tmp_path: Path) -> None:
    points = paper_figures.speed_up(_log(tmp_path / "log.jsonl", [1.0, 1.0, 2.0, 2.0]), n_smoothed=2)
    assert points[0] == (2, 1.0, 0.5)
    assert points[-1] == (4, 2.0, 0.5)


def test_commands_print_json_and_draw(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    log, picture = _log(tmp_path / "log.jsonl", [1.0, 1.5, 2.0]), tmp_path / "docs" / "2a.png"
    done = CliRunner().invoke(app, ["speed-up", str(log), "--plot", str(picture), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["speed_up"] == 2.0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_log_without_rollouts_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for log in (tmp_path / "none.jsonl", _log(tmp_path / "short.jsonl", [1.0])):
        assert cli.run(["train", "speed-up", str(log)]) == 2
        assert "seedfill train run policy" in capsys.readouterr().err


def test_forward_times_speak_of_every_block_size(tmp_path: Path) -> None:
    times = paper_figures.forward_times(as_model(tiny_backbone(), tiny_tokenizer()), 32, n_repeats=1)
    assert tuple(times) == paper_figures.BLOCK_SIZES
    assert all(ms > 0 for ms in times.values())
    found = paper_figures.relative_times({1: 2.0, 8: 2.5, 16: 2.9, 32: 5.0})
    assert found["relative"]["32"] == 2.5
    assert found["largest_block_within_tolerance"] == 16
    folder = make_tiny_model(tmp_path / "tiny")
    done = CliRunner().invoke(app, ["forward-time", str(folder), "--context", "16", "--repeats", "1", "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["relative"]["1"] == 1.0
    assert cli.run(["train", "forward-time", str(tmp_path / "none")]) == 2
