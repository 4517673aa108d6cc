"""A recipe: everything that decides what a run learns, in one frozen value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from sampler.model.backbone import BackboneConfig
from seedfill.training.data.samples import Mix
from seedfill.training.objectives.live import LiveNoise
from seedfill.training.objectives.on_policy import OnPolicy
from seedfill.training.objectives.trajectory_rows import Restoring
from seedfill.training.objectives.trajectory_store import Candidates


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything that decides a run's losses, besides the corpus and the tokenizer."""

    name: str
    purpose: str
    network: BackboneConfig
    objective: Literal["next_token", "masked", "ordered", "on_policy"]
    n_steps: int
    n_rows: int
    length: int
    n_live: int = 0
    """Live tokens a row in the masked objective."""
    next_token_factor: float = 1.0
    edited_factor: float = 1.0
    """What judging old code and edited groups weighs beside the masked loss.

    A matrix takes steps of one size whatever the gradient, so the largest and noisiest part would take all of it.
    """
    noise: LiveNoise = LiveNoise()
    edits_from: float = 1.0
    """Share of the steps after which live groups are also edited (the paper: 0.8)."""
    candidates: Candidates = field(default_factory=Candidates)
    """Of constrained-order training: how its trajectories are made."""
    restoring: Restoring = Restoring()
    n_states: int = 6
    """States of a trajectory in one row of constrained-order training."""
    on_policy: OnPolicy = field(default_factory=OnPolicy)
    beside: Recipe | None = None
    """What goes on beside this, with parts of its own weights."""
    start: Recipe | None = None
    """What makes the weights to start from where none are given; the stages of the paper build on each other."""
    mix: Mix = field(default_factory=Mix)
    matrix_lr: float = 0.02
    other_lr: float = 0.004
    warmup_steps: int = 50
    decay_share: float = 0.0
    """The last share of the steps in which the rates fall linearly to zero."""
    mean_steps: int = 0
    """Over how many of the last steps, about, the weights are averaged that are evaluated and exported; 0: none.

    What a decay does for weights at a constant rate, without ending the run (Polyak averaging; arXiv 2209.14981).
    """
    seed: int = 0
    corpus: Literal["packages", "stdlib", "codecs"] = "packages"
    """What is read: the built corpus, or the running Python's standard library (or its codecs), which all have."""

    def noise_at(self, step: int) -> LiveNoise:
        """Masks alone at first; edits beside them from `edits_from` on."""
        return self.noise if step >= self.edits_from * self.n_steps else replace(self.noise, edited_share=0.0)

    def rate_factor(self, step: int, resumed_at: int = -(10**9)) -> float:
        """What the rates are multiplied by at `step`; after weights without moments were loaded, warm up again."""
        warm = min(1.0, (step + 1) / self.warmup_steps, (step - resumed_at + 1) / self.warmup_steps)
        left = (self.n_steps - step) / (self.decay_share * self.n_steps) if self.decay_share else 1.0
        return max(min(warm, left), 0.0)


def shortened(recipe: Recipe, n_steps: int) -> Recipe:
    """The same recipe over another number of steps; its decay moves along, and fewer steps ask for fewer samples."""
    share = min(n_steps / recipe.n_steps, 1.0)
    candidates = replace(recipe.candidates, n_samples=math.ceil(recipe.candidates.n_samples * share))
    return replace(recipe, n_steps=n_steps, candidates=candidates)
