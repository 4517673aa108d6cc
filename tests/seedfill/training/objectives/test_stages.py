"""Every stage betters its own figure, and does not once its objective is switched off."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch

from sampler.model.backbone import Backbone
from seedfill.training.data import bpe, smoke_files
from seedfill.training.data.prompts import draw_prompt
from seedfill.training.loop import smoke_recipes
from seedfill.training.loop.ordering import Pools, order_figures
from seedfill.training.loop.own_model import as_model
from seedfill.training.loop.recipe import Recipe
from seedfill.training.loop.trainer import Data, Options, Trainer
from seedfill.training.objectives import on_policy, stages
from seedfill.training.objectives.figures import repaired
from seedfill.training.objectives.live import LiveNoise
from seedfill.training.objectives.losses import LossParts
from seedfill.training.objectives.trajectory import Trajectory, gold_trajectory
from seedfill.training.objectives.trajectory_rows import scored
from seedfill.training.objectives.verifier import Verdict

BASE = replace(smoke_recipes.edit_smoke(), n_rows=4, length=64, n_live=96, warmup_steps=4)
SHAPE = replace(smoke_recipes.SMOKE_SHAPE, prefix_characters=60, suffix_characters=30, max_tokens=12)


@lru_cache
def _data() -> Data:
    documents = smoke_files.codec_documents()[:12]
    return Data(train=documents[2:], heldout=documents[:2], tokenizer=bpe.learn((d.text for d in documents), 400))


@dataclass
class SwitchedOff:
    """A stage whose named parts weigh nothing."""

    stage: stages.Stage
    keys: tuple[str, ...]

    def draw(self, **asked: Any) -> Any:
        return self.stage.draw(**asked)

    def parts(self, network: Backbone, batch: Any, device: torch.device, step: int) -> LossParts:
        parts = self.stage.parts(network, batch, device, step)
        return replace(parts, factors={k: 0.0 if k in self.keys else f for k, f in parts.factors.items()})


def _trainer(recipe: Recipe, folder: Path) -> Trainer:
    network, data = replace(recipe.network, vocab_size=_data().tokenizer.vocab_size), _data()
    return Trainer(replace(recipe, network=network), data, Options(folder=folder, probe_tasks=0, log_steps=1))


def _gain(trainer: Trainer, figure: Callable[[], float], off: tuple[str, ...]) -> float:
    """How much higher the figure is after the run, with these parts of the loss switched off."""
    trainer.stage = SwitchedOff(trainer.stage, off) if off else trainer.stage
    before = figure()
    trainer.run(lambda entry: None)
    return figure() - before


@pytest.mark.parametrize(("off", "learns"), [((), True), (("masked",), False)])
def test_masks_are_learned_by_their_own_objective(off: tuple[str, ...], learns: bool, tmp_path: Path) -> None:
    recipe = replace(BASE, noise=LiveNoise(), edits_from=1.0, n_steps=30, next_token_factor=0.3)
    trainer = _trainer(recipe, tmp_path)
    gain = _gain(trainer, lambda: -trainer.evaluate(2)["masked_plain"], off)
    assert (gain > 1.5) == learns


@pytest.mark.parametrize(("off", "learns"), [((), True), (("edited",), False)])
def test_repairs_are_learned_by_their_own_objective(off: tuple[str, ...], learns: bool, tmp_path: Path) -> None:
    trainer = _trainer(replace(BASE, n_steps=60), tmp_path)
    assert (_gain(trainer, lambda: _repaired(trainer), off) > 0.1) == learns


def _repaired(trainer: Trainer) -> float:
    """Share of edits of held-out text that come back, over the three operations."""
    found = repaired(trainer.weights_model, trainer.probed, trainer.tokenizer, n_blocks=16)
    return sum(found[operation] for operation in ("delete", "insert", "substitute")) / 3


def _gold(n: int, seed: int) -> list[Trajectory]:
    rng, train = random.Random(seed), _data().train
    prompts = [draw_prompt(train, _data().tokenizer, SHAPE, rng) for _ in range(n)]
    return [gold_trajectory(prompt, 8, rng, sample=i) for i, prompt in enumerate(prompts)]


@pytest.mark.parametrize(("off", "learns"), [((), True), (("masked",), False)])
def test_orders_are_learned_by_their_own_objective(off: tuple[str, ...], learns: bool, tmp_path: Path) -> None:
    recipe = replace(smoke_recipes.warm_up(), n_steps=30, n_rows=6, n_states=3, warmup_steps=4)
    trainer = _trainer(recipe, tmp_path)
    pools = Pools(_gold(40, 0), _gold(12, 1), _gold(12, 1)[:6])
    trainer.stage = stages.Ordered(recipe, trainer.tokenizer, pools.selected, pools.heldout_selected)
    model = as_model(trainer.weights_model, trainer.tokenizer)
    gain = _gain(trainer, lambda: order_figures(model, pools)["elbo_selected"], off)
    assert (gain > 1.5) == learns


@pytest.mark.parametrize(("off", "learns"), [((), True), (("kept_edited",), False)])
def test_what_goes_on_beside_a_stage_is_learned_too(off: tuple[str, ...], learns: bool, tmp_path: Path) -> None:
    """Orders teach no repairs: without the edits beside them there are none."""
    recipe = replace(smoke_recipes.warm_up(), beside=BASE, n_steps=60, n_rows=4, n_states=3, warmup_steps=4)
    trainer = _trainer(recipe, tmp_path)
    trainer.stage = trainer.with_kept(stages.Ordered(recipe, trainer.tokenizer, _gold(40, 0), _gold(12, 1)))
    assert (_gain(trainer, lambda: _repaired(trainer), off) > 0.1) == learns


def test_padding_is_not_counted_as_read(tmp_path: Path) -> None:
    recipe = replace(smoke_recipes.warm_up(), n_steps=1, n_rows=6)
    trainer, found = _trainer(recipe, tmp_path), _gold(1, 0)
    trainer.stage = stages.Ordered(recipe, trainer.tokenizer, found, found)
    trainer.run(lambda entry: None)
    assert trainer.tokens_seen == 6 * len(found[0].context + found[0].tokens)


def _experience() -> on_policy.Experience:
    """Six finished spans, of which the verifier passes every other one."""
    found = _gold(6, 3)
    verdicts = [Verdict(float(i % 2), bool(i % 2), bool(i % 2), False) for i in range(6)]
    return on_policy.Experience(found, verdicts, [i % 2 - 0.5 for i in range(6)], 0)


@pytest.mark.parametrize(("off", "learns"), [((), True), (("surrogate", "verifier"), False)])
def test_fewer_steps_to_what_is_accepted_are_learned_by_their_own_objective(
    off: tuple[str, ...], learns: bool, tmp_path: Path
) -> None:
    """Accepted spans become likelier than refused ones, and a state says more of what comes after it."""
    trainer, found = _trainer(smoke_recipes.warm_up(), tmp_path), _experience()
    model = as_model(trainer.weights_model, trainer.tokenizer)
    how = replace(smoke_recipes.policy_smoke().on_policy, ramp_share=0.0)

    def margin() -> float:
        elbos = [t.elbo or 0.0 for t in scored(model, found.trajectories)]
        return sum(elbos[1::2]) / 3 - sum(elbos[::2]) / 3

    def surrogate() -> float:
        return float(on_policy.losses(model, found, how, 1.0).sums["surrogate"].detach())

    optimiser = torch.optim.Adam(trainer.weights.values(), lr=0.01)
    before = margin(), surrogate()
    for _ in range(12):
        parts = on_policy.losses(model, found, how, 1.0)
        loss = sum(0.0 if k in off else parts.factors[k] * v / max(parts.counts[k], 1) for k, v in parts.sums.items())
        if isinstance(loss, torch.Tensor) and loss.requires_grad:
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert (margin() > before[0] + 0.5) == learns
    assert (surrogate() < 0.9 * before[1]) == learns


def test_the_length_surrogate_is_eq_11() -> None:
    """Two tokens decided at once cost less than one after the other; doubt costs as much as a step."""
    sure, unsure = torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.0])
    assert float(on_policy.surrogate([(sure, [0, 0])])) == pytest.approx(1 / 2)
    assert float(on_policy.surrogate([(unsure, [0, 0])])) == pytest.approx(1.0)
    one_by_one = [(sure, [0, 1]), (sure[:1], [1])]
    assert float(on_policy.surrogate(one_by_one)) == pytest.approx((1 + 1 / 2 + 1) / 3)


def test_rollouts_are_rewarded_against_the_other_rollouts_of_their_prompt(tmp_path: Path) -> None:
    trainer = _trainer(smoke_recipes.warm_up(), tmp_path)
    rng = random.Random(0)
    prompts = [draw_prompt(_data().train, trainer.tokenizer, SHAPE, rng) for _ in range(2)]
    how = replace(smoke_recipes.policy_smoke().on_policy, shape=SHAPE, n_rollouts=3)
    found = on_policy.experience(as_model(trainer.weights_model, trainer.tokenizer), prompts, how, ["a", "b"])
    assert len(found.trajectories) == 6
    for group in (found.advantages[:3], found.advantages[3:]):
        assert sum(group) == pytest.approx(0.0)


DRAWN = (smoke_recipes.edit_smoke, smoke_recipes.warm_up, smoke_recipes.policy_smoke)


@pytest.mark.parametrize("make", DRAWN, ids=lambda m: m.__name__)
def test_what_two_processes_draw_is_what_one_draws(make: Callable[[], Recipe], tmp_path: Path) -> None:
    recipe = replace(make(), n_rows=4, on_policy=replace(make().on_policy, shape=SHAPE, n_rollouts=2))
    trainer = _trainer(recipe, tmp_path)
    if recipe.objective == "ordered":
        trainer.stage = stages.Ordered(recipe, trainer.tokenizer, _gold(10, 0), [])
    whole, *halves = (
        trainer._parts(trainer.stage.draw(seed=1, step=2, own=own, held_out=False))
        for own in (range(4), range(2), range(2, 4))
    )
    for key, value in whole.sums.items():
        both = sum(float(half.sums[key].detach()) for half in halves)
        assert float(value.detach()) == pytest.approx(both, rel=1e-4, abs=1e-4)
        assert whole.counts[key] == pytest.approx(sum(half.counts[key] for half in halves))
