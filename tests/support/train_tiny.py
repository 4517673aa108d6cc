"""A step or two of a tiny run of every objective, below the folder named on the command line; also under torchrun."""

import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from seedfill.training.data.prompts import PromptShape, draw_prompt
from seedfill.training.loop.trainer import Trainer
from seedfill.training.objectives import stages
from seedfill.training.objectives.corrupt import EditNoise
from seedfill.training.objectives.on_policy import OnPolicy
from seedfill.training.objectives.trajectory import Trajectory, gold_trajectory
from tests.seedfill.training.data.test_samples import SOURCE
from tests.seedfill.training.loop.test_trainer import TINY, _trainer

SHAPE = PromptShape(prefix_characters=60, suffix_characters=30, max_lines=1, max_tokens=8)
EDITED = replace(TINY.noise, edited_share=0.5, edits=EditNoise(max_rate=0.3))
RECIPES = (
    replace(TINY, name="masked"),
    replace(TINY, name="edited", noise=EDITED, edits_from=0.0, n_steps=2),
    replace(TINY, name="ordered", objective="ordered", n_steps=2, n_states=2),
    replace(TINY, name="on_policy", objective="on_policy", n_steps=1, on_policy=OnPolicy(shape=SHAPE, n_rollouts=2)),
)


def trainers(folder: Path) -> Iterator[Trainer]:
    """A run of each recipe, in a folder of its name."""
    for recipe in RECIPES:
        trainer = _trainer(recipe, folder / recipe.name)
        if recipe.objective == "ordered":
            selected = [_trajectory(seed) for seed in range(6)]
            trainer.stage = stages.Ordered(recipe, SOURCE.tokenizer, selected, selected)
        yield trainer


def _trajectory(seed: int) -> Trajectory:
    rng = random.Random(seed)
    return gold_trajectory(draw_prompt(SOURCE.documents, SOURCE.tokenizer, SHAPE, rng), 8, rng, sample=seed)


if __name__ == "__main__":
    for one in trainers(Path(sys.argv[1])):
        one.run(lambda entry: None)
