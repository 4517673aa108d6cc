import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sampler.model.backbone import Backbone
from sampler.model.tokenizer import Tokenizer
from seedfill.training.data.samples import Mix
from seedfill.training.loop import recipes, runs, smoke_recipes, state
from seedfill.training.loop.averaging import average
from seedfill.training.loop.recipe import Recipe
from seedfill.training.loop.trainer import Data, Options, Trainer
from tests.seedfill.training.data.test_samples import SOURCE

TINY = replace(
    smoke_recipes.mask_smoke(),
    network=replace(smoke_recipes.SMALLEST_NETWORK, vocab_size=recipes.VOCAB_SIZE),
    n_steps=6,
    n_rows=2,
    length=64,
    n_live=32,
    warmup_steps=2,
    mix=replace(Mix(), plain=0.9),
)
RECIPES = {"next_token": replace(TINY, objective="next_token"), "masked": TINY}


def _trainer(recipe: Recipe, folder: Path, **options: Any) -> Trainer:
    data = Data(
        train=SOURCE.documents, heldout=SOURCE.documents[:1], tokenizer=Tokenizer.load(runs.shipped_tokenizer())
    )
    defaults: dict[str, Any] = {"log_steps": 1, "evaluate_steps": 100, "probe_tasks": 0}
    return Trainer(recipe, data, Options(folder=folder, **(defaults | options)))


def _losses(folder: Path) -> dict[int, float]:
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {entry["step"]: entry["next_token"] for entry in entries if "norm" in entry}


@pytest.mark.parametrize("objective", RECIPES)
def test_resumed_gives_the_losses_of_uninterrupted(objective: str, tmp_path: Path) -> None:
    recipe = RECIPES[objective]
    _trainer(recipe, tmp_path / "whole").run(lambda entry: None)
    _trainer(recipe, tmp_path / "cut", stop_after_steps=3).run(lambda entry: None)
    resumed = _trainer(recipe, tmp_path / "cut")
    assert resumed.resume()
    assert resumed.step == 3
    resumed.run(lambda entry: None)
    assert _losses(tmp_path / "cut") == _losses(tmp_path / "whole")


def test_rows_drawn_by_processes_are_the_same_rows(tmp_path: Path) -> None:
    _trainer(TINY, tmp_path / "thread").run(lambda entry: None)
    _trainer(TINY, tmp_path / "processes", n_workers=2).run(lambda entry: None)
    assert _losses(tmp_path / "thread") == _losses(tmp_path / "processes")


def test_training_lowers_the_held_out_loss(tmp_path: Path) -> None:
    trainer = _trainer(replace(TINY, n_steps=40), tmp_path)
    before = trainer.evaluate()
    trainer.run(lambda entry: None)
    after = trainer.evaluate()
    assert after["masked_plain"] < before["masked_plain"] - 1
    assert after["next_token"] < before["next_token"] - 1


def test_weights_stay_float32_where_the_network_computes_in_bfloat16(tmp_path: Path) -> None:
    trainer = _trainer(TINY, tmp_path, dtype=torch.bfloat16, stop_after_steps=3)
    before = trainer.evaluate()["next_token"]
    trainer.run(lambda entry: None)
    assert trainer.evaluate()["next_token"] < before
    assert all(weight.dtype == torch.float32 for weight in trainer.weights.values())
    assert all(
        torch.equal(computed, trainer.weights[name].bfloat16()) for name, computed in trainer.model.named_parameters()
    )


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_shipped_size_is_kept_by_every_recipe(name: str) -> None:
    with torch.device("meta"):
        parameters = dict(Backbone(recipes.RECIPES[name].network).named_parameters())
    assert sum(parameter.numel() for parameter in parameters.values()) * 2 <= 60_000_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_stop_saves_the_step_it_is_at(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seedfill.cli", "train", "run", "mask-smoke", "--folder", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        next(line for line in run.stderr if '"norm"' in line)
        run.send_signal(number)
        said = run.stderr.read().splitlines()[-1]
    (saved,) = tmp_path.glob("*.safetensors")
    step = int(saved.stem.removeprefix("step-"))
    assert run.returncode == 1
    assert said.endswith(f"Stopped at step {step}, which is saved: go on with --resume.")


def test_a_damaged_state_falls_back_to_the_one_before(tmp_path: Path) -> None:
    trainer = _trainer(TINY, tmp_path, stop_after_steps=2)
    trainer.run(lambda entry: None)
    trainer.run(lambda entry: None)
    newest = max(tmp_path.glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = _trainer(TINY, tmp_path)
    assert resumed.resume()
    assert resumed.step == 2


def test_a_state_of_another_recipe_is_refused(tmp_path: Path) -> None:
    _trainer(TINY, tmp_path, stop_after_steps=1).run(lambda entry: None)
    other = replace(TINY, network=replace(TINY.network, hidden_size=32))
    with pytest.raises(state.StateError, match="another recipe"):
        _trainer(other, tmp_path).resume()


def test_a_full_disk_is_said_and_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state, "save_file", full)
    said: list[dict[str, Any]] = []
    trainer = _trainer(TINY, tmp_path, save_seconds=-1.0)
    trainer.run(said.append)
    assert "No space left" in (trainer.unsaved or ""), "so that the run's end is not taken for a success"
    assert any("No space left" in entry.get("warning", "") for entry in said)
    assert said[-1]["step"] == TINY.n_steps
    assert not list(tmp_path.glob("*.partial"))


def test_exported_weights_start_another_run(tmp_path: Path) -> None:
    trainer = _trainer(TINY, tmp_path / "a", stop_after_steps=2)
    trainer.run(lambda entry: None)
    runs.export(trainer, tmp_path / "exported")
    second = _trainer(TINY, tmp_path / "b")
    weights = runs.read_exported(tmp_path / "exported")[0]
    second.start_from(weights, step=2)
    for name, weight in second.weights.items():
        assert torch.allclose(weight, trainer.weights[name], atol=0.01), name


def test_what_was_read_before_and_what_was_set_by_hand_is_handed_on(tmp_path: Path) -> None:
    """A branch says what its trunk had read, also after it was interrupted; and keeps the policy of what it tunes."""
    trunk = _trainer(RECIPES["next_token"], tmp_path / "trunk", stop_after_steps=2)
    trunk.run(lambda entry: None)
    runs.export(trunk, tmp_path / "exported")
    config = json.loads((tmp_path / "exported" / "config.json").read_text())
    config["seedfill"] |= {"policy": "verified", "recipe": "trunk"}
    (tmp_path / "exported" / "config.json").write_text(json.dumps(config))

    def branch() -> Trainer:
        trainer = _trainer(replace(TINY, name="branch"), tmp_path / "branch", stop_after_steps=1)
        request = runs.Request(
            folder=tmp_path / "branch", corpus=tmp_path, resume=True, resume_from=tmp_path / "exported"
        )
        runs._continue(trainer, request, lambda entry: None)
        trainer.run(lambda entry: None)
        return trainer

    branch()
    runs.export(branch(), tmp_path / "second")
    said = json.loads((tmp_path / "second" / "config.json").read_text())["seedfill"]
    assert said["tokens_before"] == {"trunk": 2 * TINY.n_rows * TINY.length}
    assert said["tokens_seen"] == 2 * TINY.n_rows * TINY.length
    assert (said["recipe"], said["step"], said["policy"]) == ("branch", 2, "verified")
    assert "edits" not in said


def test_a_model_that_was_taught_edits_says_so(tmp_path: Path) -> None:
    noise = replace(TINY.noise, edited_share=0.3)
    runs.export(_trainer(replace(TINY, noise=noise, edits_from=0.8), tmp_path), tmp_path / "exported")
    assert runs.read_exported(tmp_path / "exported")[1]["edits"] is True


def test_a_state_from_before_tokens_were_counted_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(state, "_metadata", lambda saved: {"step": str(saved.step)})
        _trainer(TINY, tmp_path, stop_after_steps=2).run(lambda entry: None)
    trainer = _trainer(TINY, tmp_path)
    assert trainer.resume() and trainer.tokens_seen == 2 * TINY.n_rows * TINY.length


def test_probe_reports_what_a_person_would_see(tmp_path: Path) -> None:
    figures = _trainer(TINY, tmp_path, probe_tasks=3).probe()
    assert set(figures) == {"exact_match", "tokens_per_forward"}
    assert figures["tokens_per_forward"] > 0


def test_two_processes_equal_one_in_every_objective(tmp_path: Path) -> None:
    from tests.support.train_tiny import RECIPES as every
    from tests.support.train_tiny import trainers

    for trainer in trainers(tmp_path / "one"):
        trainer.run(lambda entry: None)
    script = Path(__file__).parents[3] / "support" / "train_tiny.py"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[4])}
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=0", "--standalone"]
        + [str(script), str(tmp_path / "two")],
        check=True,
        env=environment,
        capture_output=True,
    )
    for recipe in every:
        one, two = (_entries(tmp_path / side / recipe.name) for side in ("one", "two"))
        assert len(one) == len(two) > 0
        for ours, theirs in zip(one, two, strict=True):
            del ours["tokens_per_s"], theirs["tokens_per_s"]
            assert theirs == pytest.approx(ours, abs=1e-3), recipe.name


def _entries(folder: Path) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [entry for entry in entries if "norm" in entry]


def test_unknown_recipe_and_missing_corpus_say_what_to_do(tmp_path: Path) -> None:
    request = runs.Request(folder=tmp_path, corpus=tmp_path)
    with pytest.raises(runs.BadRun, match="seedfill train recipes"):
        runs.run("nonesuch", request, lambda entry: None)
    with pytest.raises(runs.BadRun, match="seedfill train corpus"):
        runs.run("trunk", request, lambda entry: None)


def test_weights_that_have_all_their_steps_are_not_trained_for_nothing(tmp_path: Path) -> None:
    done = _trainer(TINY, tmp_path / "done")
    done.run(lambda entry: None)
    runs.export(done, tmp_path / "exported")
    request = runs.Request(folder=tmp_path / "again", corpus=tmp_path, resume_from=tmp_path / "exported")
    with pytest.raises(runs.BadRun, match="all 6 steps of mask-smoke: ask for more with --steps"):
        runs._continue(_trainer(TINY, tmp_path / "again"), request, lambda entry: None)
    more = _trainer(replace(TINY, n_steps=8), tmp_path / "more")
    runs._continue(more, request, lambda entry: None)
    assert more.step == TINY.n_steps


def test_a_mean_is_where_a_run_begins(tmp_path: Path) -> None:
    """It says the steps of its parts, and a run from it has all of its own before it."""
    done = _trainer(TINY, tmp_path / "done")
    done.run(lambda entry: None)
    parts = [tmp_path / "one", tmp_path / "other"]
    for part in parts:
        runs.export(done, part)
    average(parts, [1, 1], tmp_path / "mean")
    request = runs.Request(folder=tmp_path / "again", corpus=tmp_path, resume_from=tmp_path / "mean")
    again = _trainer(TINY, tmp_path / "again")
    runs._continue(again, request, lambda entry: None)
    runs.export(again, tmp_path / "exported")
    assert again.step == 0
    assert "averaged" not in json.loads((tmp_path / "exported" / "config.json").read_text())["seedfill"]


def test_the_mean_of_the_weights_goes_on_where_a_run_does_and_is_what_is_exported(tmp_path: Path) -> None:
    recipe = replace(TINY, mean_steps=4)
    whole, seen = _trainer(recipe, tmp_path / "whole"), list[torch.Tensor]()
    name = "model.layers.0.mlp.up_proj.weight"
    whole.run(lambda entry: seen.append(whole.weights[name].detach().clone()) if "norm" in entry else None)
    expected = seen[0]
    for n, weight in enumerate(seen[1:], start=2):
        expected = expected.lerp(weight, 1 / min((n + 1) // 2, 4))
    _trainer(recipe, tmp_path / "cut", stop_after_steps=3).run(lambda entry: None)
    resumed = _trainer(recipe, tmp_path / "cut")
    assert resumed.resume()
    resumed.run(lambda entry: None)
    runs.export(resumed, tmp_path / "out")
    exported, _ = runs.read_exported(tmp_path / "out")
    assert torch.allclose(exported[name], expected, atol=1e-3)
    assert not torch.allclose(exported[name], seen[-1], atol=1e-3)
    assert torch.equal(resumed.weights[name], seen[-1])


def test_another_seed_reads_other_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recipes.RECIPES, "tiny", replace(TINY, name="tiny", n_steps=1, corpus="codecs"))

    def loss(n_run: int, seed: int | None) -> float:
        request = runs.Request(folder=tmp_path / str(n_run), corpus=tmp_path, seed=seed)
        return float(runs.run("tiny", request, lambda entry: None)["next_token"])

    by_recipe, same, other = (loss(i, seed) for i, seed in enumerate((None, TINY.seed, 7)))
    assert by_recipe == same != other
