"""Recipes: a run is a function that returns a complete, frozen configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from sampler.backbone import BackboneConfig
from seedfill.training.corrupt import EditNoise
from seedfill.training.live import LiveNoise
from seedfill.training.on_policy import OnPolicy
from seedfill.training.prompts import PromptShape
from seedfill.training.samples import Mix
from seedfill.training.trajectory_rows import Restoring
from seedfill.training.trajectory_store import Candidates

VOCAB_SIZE = 8192


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


DEFAULT_NETWORK = BackboneConfig(
    vocab_size=VOCAB_SIZE,
    hidden_size=256,
    intermediate_size=768,
    n_layers=6,
    n_heads=4,
    n_kv_heads=2,
    head_dim=64,
    rope_theta=10_000.0,
    qk_norm=True,
)


LARGE_NETWORK = replace(DEFAULT_NETWORK, hidden_size=512, intermediate_size=1536, n_layers=8, n_heads=8, n_kv_heads=4)


def trunk() -> Recipe:
    """The long run: next tokens on the clean stream at a constant rate, for as long as there is time."""
    return Recipe(
        name="trunk",
        purpose="next tokens, token-causal, at a constant rate; runs until it is stopped",
        network=DEFAULT_NETWORK,
        objective="next_token",
        n_steps=1_000_000,
        n_rows=4,
        length=1024,
        mean_steps=1_500,
    )


def trunk_large() -> Recipe:
    """The trunk for a GPU: the largest network whose bfloat16 weights stay under 60 MB."""
    return replace(
        trunk(),
        name="trunk-large",
        purpose="the trunk for a GPU: 28M parameters, larger batches",
        network=LARGE_NETWORK,
        n_rows=48,
        warmup_steps=200,
        matrix_lr=0.02,
        other_lr=0.003,
    )


def branch_large() -> Recipe:
    """A release from the large trunk."""
    return replace(
        branch(),
        name="branch-large",
        purpose="the large trunk adapted to masked live blocks",
        network=LARGE_NETWORK,
        n_steps=4_000,
        n_rows=32,
        length=1024,
        n_live=512,
    )


LOCAL_EDITS = (
    "augmented_assignment",
    "bare_super",
    "boolean_return",
    "dead_code",
    "debug_prints",
    "identity_with_none",
    "inline_variable",
    "literals",
    "unused_variable",
)
"""Edits of a few tokens that the selection itself shows how to make: what a model of a few million weights learns."""


def edit_branch() -> Recipe:
    """A release that also edits: a branch that goes on with instructed edits of old code, and the edit stage."""
    return replace(
        branch(),
        name="edit-branch",
        purpose="a branch (--resume-from) that learns to edit: local instructed edits, then corrupted blocks",
        mix=Mix(
            plain=0.02,
            infill=0.25,
            holes=0.03,
            repair=0.05,
            instruct=0.65,
            kinds=LOCAL_EDITS,
            idle=0.05,
            foreign=0.12,
            drafts=0.9,
            n_drafts=2,
            snippets=0.1,
        ),
        noise=LiveNoise(edited_share=0.3, changed_weight=2.0),
        edits_from=0.8,
        n_steps=1_000,
        n_live=576,
        next_token_factor=1.0,
        edited_factor=0.4,
        matrix_lr=0.008,
        other_lr=0.0015,
        seed=4,
    )


def release() -> Recipe:
    """Both streams together, completion first and edits kept: a branch that goes on from one that edits.

    Next tokens weigh most: they are what text is written by, and masks, whose gradients are noisier, learn as well. The
    rates are low because it goes on from a mean, which lies on its floor: at higher ones it gives its reading away.
    """
    edits = edit_branch()
    return replace(
        edits,
        name="release",
        purpose="an edit-branch (--resume-from) that goes on with completion above all; what is shipped",
        mix=replace(edits.mix, plain=0.07, infill=0.45, holes=0.04, repair=0.03, instruct=0.41),
        noise=replace(edits.noise, edited_share=0.15),
        n_steps=300,
        n_live=448,
        next_token_factor=6.0,
        edited_factor=0.6,
        matrix_lr=0.0012,
        other_lr=0.00024,
        decay_share=0.7,
        seed=5,
    )


def branch() -> Recipe:
    """A release: the trunk's weights, adapted to masks in two streams, with a decay."""
    return Recipe(
        name="branch",
        purpose="the trunk adapted to masked live blocks (two streams), with a decay",
        network=DEFAULT_NETWORK,
        objective="masked",
        mix=Mix(plain=0.1, infill=0.75, holes=0.1, repair=0.05),
        n_steps=600,
        n_rows=4,
        length=768,
        n_live=384,
        next_token_factor=0.5,
        matrix_lr=0.01,
        other_lr=0.002,
        decay_share=0.6,
        seed=1,
    )


SMALLEST_NETWORK = replace(
    DEFAULT_NETWORK,
    vocab_size=512,
    hidden_size=64,
    intermediate_size=192,
    n_layers=2,
    n_heads=2,
    n_kv_heads=1,
    head_dim=32,
)

SMOKE_NETWORK = replace(SMALLEST_NETWORK, n_heads=4, n_kv_heads=4, head_dim=16)
"""Of the stages that edit and choose an order: more heads look at more neighbours."""


def mask_smoke() -> Recipe:
    """Stage one in a minute: a tiny network with a tiny vocabulary learns to fill masks in the standard library."""
    return Recipe(
        name="mask-smoke",
        purpose="stage one in under a minute on the standard library: held-out masked loss before and after",
        network=SMALLEST_NETWORK,
        objective="masked",
        n_steps=200,
        n_rows=8,
        length=192,
        n_live=96,
        next_token_factor=0.3,
        warmup_steps=5,
        decay_share=0.3,
        corpus="stdlib",
    )


def edit_smoke() -> Recipe:
    """Stage two in a minute: a tiny network learns to repair deletions, insertions and substitutions.

    To meet enough of them in a minute it sees up to three edits in ten tokens, where the paper has one.
    """
    return replace(
        mask_smoke(),
        name="edit-smoke",
        purpose="stage two in under a minute: share of edits repaired in held-out text, by operation, before and after",
        network=SMOKE_NETWORK,
        noise=LiveNoise(edited_share=0.6, changed_weight=2.0, edits=EditNoise(max_rate=0.3)),
        edits_from=0.0,
        n_steps=320,
        n_rows=6,
        length=64,
        n_live=144,
        next_token_factor=0.1,
        matrix_lr=0.04,
        other_lr=0.02,
        corpus="codecs",
    )


def order() -> Recipe:
    """Stage three: a branch, tuned on trajectories that it made itself and that its ELBO selected."""
    return replace(
        branch(),
        name="order",
        purpose="stage three: a branch (--resume-from) tuned on its own best trajectories",
        objective="ordered",
        beside=release(),
        candidates=Candidates(n_samples=640),
        n_states=12,
        n_steps=300,
        next_token_factor=0.3,
        matrix_lr=0.0012,
        other_lr=0.00024,
        warmup_steps=20,
        seed=2,
    )


def policy() -> Recipe:
    """Stage four: fewer steps for the same quality, learned from the model's own rollouts."""
    return replace(
        branch(),
        name="policy",
        purpose="stage four: a branch or an ordered one (--resume-from) learns to take fewer steps",
        objective="on_policy",
        beside=release(),
        on_policy=OnPolicy(threshold=0.5),
        n_steps=300,
        n_rows=4,
        matrix_lr=0.0012,
        other_lr=0.00024,
        warmup_steps=20,
        decay_share=0.3,
        seed=3,
    )


SMOKE_SHAPE = PromptShape(prefix_characters=160, suffix_characters=80, max_lines=2, min_tokens=5, max_tokens=20)


def warm_up() -> Recipe:
    """What the last two stages start from in their smoke recipes: spans of the codecs, masked in any order."""
    return replace(
        edit_smoke(),
        name="warm-up",
        objective="ordered",
        noise=LiveNoise(),
        edits_from=1.0,
        candidates=Candidates(
            n_samples=768, shard_samples=256, n_model=0, n_any_order=1, block_sizes=(8,), shape=SMOKE_SHAPE
        ),
        restoring=Restoring(augmented_share=0.0),
        n_states=6,
        n_steps=200,
        n_rows=8,
        next_token_factor=0.5,
    )


def order_smoke() -> Recipe:
    """Stage three in a minute: trajectories of a tiny network, selected by ELBO, and tuning on them."""
    return replace(
        warm_up(),
        name="order-smoke",
        purpose="stage three in under a minute: mean ELBO of selected and of all held-out trajectories, and loss",
        start=warm_up(),
        n_steps=60,
        n_states=4,
        matrix_lr=0.005,
        other_lr=0.002,
        restoring=Restoring(),
        candidates=Candidates(
            n_samples=128, shard_samples=32, n_model=2, n_any_order=3, block_sizes=(8,), shape=SMOKE_SHAPE
        ),
    )


def policy_smoke() -> Recipe:
    """Stage four in a minute: a tiny network learns to fill in fewer steps what a verifier accepts."""
    return replace(
        warm_up(),
        name="policy-smoke",
        purpose="stage four in under a minute: mean steps and verifier pass rate of held-out fills, before and after",
        objective="on_policy",
        start=warm_up(),
        n_steps=40,
        n_rows=4,
        matrix_lr=0.01,
        other_lr=0.004,
        on_policy=OnPolicy(shape=SMOKE_SHAPE, steps_factor=4.0),
    )


RECIPES = {
    recipe.name: recipe
    for recipe in (
        trunk(),
        branch(),
        edit_branch(),
        release(),
        order(),
        policy(),
        trunk_large(),
        branch_large(),
        mask_smoke(),
        edit_smoke(),
        order_smoke(),
        policy_smoke(),
    )
}


def shortened(recipe: Recipe, n_steps: int) -> Recipe:
    """The same recipe over another number of steps; its decay moves along, and fewer steps ask for fewer samples."""
    share = min(n_steps / recipe.n_steps, 1.0)
    candidates = replace(recipe.candidates, n_samples=math.ceil(recipe.candidates.n_samples * share))
    return replace(recipe, n_steps=n_steps, candidates=candidates)
