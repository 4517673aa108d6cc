"""The stages of training as the trainer sees them: what a step draws, and what is minimised over it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from sampler.model.backbone import Backbone
from sampler.model.checkpoint import LoadedModel
from sampler.model.tokenizer import Tokenizer
from seedfill.training.data import rows
from seedfill.training.data.corpus import Document
from seedfill.training.data.prompts import Prompt, draw_prompt
from seedfill.training.data.samples import SampleSource
from seedfill.training.data.tested import draw_tested, with_examples
from seedfill.training.loop.recipe import Recipe
from seedfill.training.objectives import live, losses, on_policy
from seedfill.training.objectives.losses import LossParts
from seedfill.training.objectives.trajectory import Trajectory, gold_trajectory
from seedfill.training.objectives.trajectory_rows import restoring_rows


class Stage(Protocol):
    """One stage of training."""

    def draw(self, *, seed: int, step: int, own: range, held_out: bool) -> Any:
        """Rows `own` of step `step`: they depend on these arguments alone, on no device and no weights."""
        ...

    def parts(self, network: Backbone, batch: Any, device: torch.device, step: int) -> LossParts:
        """The losses of what was drawn for `step`."""
        ...


@dataclass(frozen=True, slots=True)
class NextToken:
    """The trunk."""

    recipe: Recipe
    train: SampleSource
    heldout: SampleSource | None

    def draw(self, *, seed: int, step: int, own: range, held_out: bool) -> rows.Rows:
        """Causal rows."""
        source = self.heldout if held_out and self.heldout else self.train
        return rows.causal_rows(source, seed=seed, step=step, rows=own, length=self.recipe.length)

    def parts(self, network: Backbone, batch: rows.Rows, device: torch.device, step: int) -> LossParts:
        """Next tokens."""
        return losses.next_token(network, batch, device)


@dataclass(frozen=True, slots=True)
class Masked:
    """Masks, and from `edits_from` on edits: the two-stage curriculum (paper section 3.1)."""

    recipe: Recipe
    train: SampleSource
    heldout: SampleSource | None

    def draw(self, *, seed: int, step: int, own: range, held_out: bool) -> Any:
        """Two streams."""
        source = self.heldout if held_out and self.heldout else self.train
        noise, length, n_live = self.recipe.noise_at(step), self.recipe.length, self.recipe.n_live
        return live.two_stream_rows(source, noise, seed=seed, step=step, rows=own, length=length, n_live=n_live)

    def parts(self, network: Backbone, batch: Any, device: torch.device, step: int) -> LossParts:
        """Masked, edited and next tokens."""
        clean, noised = batch
        recipe = self.recipe
        return losses.masked(
            network, clean, noised, device, recipe.next_token_factor, edited_factor=recipe.edited_factor
        )


@dataclass(frozen=True, slots=True)
class Ordered:
    """Constrained-order training on selected trajectories (paper section 3.2, Eq. 9)."""

    recipe: Recipe
    tokenizer: Tokenizer
    selected: Sequence[Trajectory]
    heldout: Sequence[Trajectory]

    def draw(self, *, seed: int, step: int, own: range, held_out: bool) -> Any:
        """Random states of random trajectories, τ ~ U(T)."""
        rngs = [random.Random(f"{seed}/{step}/{row}") for row in own]
        pool = self.heldout if held_out else self.selected
        chosen = [rng.choice(pool) for rng in rngs]
        return restoring_rows(chosen, self.recipe.n_states, self.recipe.restoring, self.tokenizer, rngs)

    def parts(self, network: Backbone, batch: Any, device: torch.device, step: int) -> LossParts:
        """x_0 from each state, weighed by λ."""
        clean, noised = batch
        parts = losses.masked(network, clean, noised, device, self.recipe.next_token_factor)
        return replace(parts, n_tokens=_n_tokens(clean, self.tokenizer))


@dataclass(frozen=True, slots=True)
class Beside:
    """A stage, and beside it the objective of another recipe: what a stage is not asked for it soon forgets."""

    stage: Stage
    kept: Masked

    def draw(self, *, seed: int, step: int, own: range, held_out: bool) -> Any:
        """Rows of both."""
        stages = (self.stage, self.kept)
        return tuple(stage.draw(seed=seed, step=step, own=own, held_out=held_out) for stage in stages)

    def parts(self, network: Backbone, batch: Any, device: torch.device, step: int) -> LossParts:
        """The losses of both; those of what is kept are named so."""
        own, kept = self.stage.parts(network, batch[0], device, step), self.kept.parts(network, batch[1], device, step)
        return LossParts(
            sums=own.sums | _named_kept(kept.sums),
            counts=own.counts | _named_kept(kept.counts),
            factors=own.factors | _named_kept(kept.factors),
            n_tokens=own.n_tokens + kept.n_tokens,
        )


class PromptSource:
    """Prompts from files, a share of them with tests."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = documents
        self._tested = with_examples(documents)

    def draw(self, tokenizer: Tokenizer, how: on_policy.OnPolicy, rng: random.Random) -> Prompt:
        """A random span; which, depends on `rng` alone."""
        is_tested = bool(self._tested) and rng.random() < how.tested_share
        found = draw_tested(self._tested, tokenizer, how.shape, rng) if is_tested else None
        return found or draw_prompt(self.documents, tokenizer, how.shape, rng)


@dataclass(frozen=True, slots=True)
class OnPolicy:
    """On-policy learning (paper section 3.3) over rollouts of the weights at hand.

    Beside it, as an anchor, the mask-based objective on what people wrote at other prompts of the same kind.
    """

    recipe: Recipe
    model: LoadedModel
    """The network in training, as the sampler runs it."""
    train: PromptSource
    heldout: PromptSource

    def draw(self, *, seed: int, step: int, own: range, held_out: bool) -> Any:
        """Prompts, a seed for each, and rows for the anchor."""
        tokenizer, how = self.model.tokenizer, self.recipe.on_policy
        source = self.heldout if held_out else self.train
        documents = source.documents
        seeds = [f"policy/{seed}/{step}/{row}" for row in own]
        rngs = [random.Random(s) for s in seeds]
        prompts = [source.draw(tokenizer, how, rng) for rng in rngs]
        anchors = [
            gold_trajectory(draw_prompt(documents, tokenizer, how.shape, rng), how.block_size, rng)
            for rng in rngs
            for _ in range(how.n_anchors)
        ]
        of_anchor = [rng for rng in rngs for _ in range(how.n_anchors)]
        how_restored = replace(self.recipe.restoring, augmented_share=0.0)
        rows = restoring_rows(anchors, self.recipe.n_states, how_restored, tokenizer, of_anchor)
        return prompts, seeds, rows

    def parts(self, network: Backbone, batch: Any, device: torch.device, step: int) -> LossParts:
        """Eq. 10 over fresh rollouts, and the anchor."""
        prompts, seeds, (clean, noised) = batch
        how = self.recipe.on_policy
        found = on_policy.experience(self.model, prompts, how, seeds)
        own = on_policy.losses(self.model, found, how, step / self.recipe.n_steps)
        held = losses.masked(network, clean, noised, device, self.recipe.next_token_factor)
        return LossParts(
            sums=own.sums | held.sums,
            counts=own.counts | held.counts,
            factors=own.factors | {key: how.anchor_factor * value for key, value in held.factors.items()},
            n_tokens=own.n_tokens + _n_tokens(clean, self.model.tokenizer),
        )


def _named_kept(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"kept_{key}": value for key, value in values.items()}


def _n_tokens(clean: rows.Rows, tokenizer: Tokenizer) -> float:
    """Rows of trajectories are as long as the longest of them."""
    return float((clean.tokens != tokenizer.id("<pad>")).sum())
