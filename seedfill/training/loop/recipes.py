"""Recipes: a run is a function that returns a complete, frozen configuration."""

from __future__ import annotations

from dataclasses import replace

from sampler.model.backbone import BackboneConfig
from seedfill.training.data.samples import Mix
from seedfill.training.loop import smoke_recipes
from seedfill.training.loop.recipe import Recipe
from seedfill.training.objectives.corrupt import EditNoise
from seedfill.training.objectives.live import LiveNoise
from seedfill.training.objectives.on_policy import OnPolicy
from seedfill.training.objectives.trajectory_store import Candidates

VOCAB_SIZE = 8192

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


def cooldown() -> Recipe:
    """The trunk brought down to its floor: a rate that falls to nothing over a fifth of the steps that it has taken.

    The decay of a warm-up, stable, decay schedule (arXiv 2405.18392); the trunk itself may go on beside it.
    """
    return replace(
        trunk(),
        name="cooldown",
        purpose="a trunk (--resume-from) brought down to its floor by a rate that falls to nothing",
        n_steps=4_000,
        matrix_lr=0.012,
        other_lr=0.0024,
        decay_share=1.0,
        mean_steps=150,
        seed=31,
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


def correct() -> Recipe:
    """Stage two in earnest: a release that learns to judge what it has written, in corrupted blocks.

    At the paper's rate a block of 24 tokens holds one edit, and a network of this size learns to keep everything. So up
    to a fifth of the tokens is changed here, and a change weighs three times what an untouched token does.
    """
    before = release()
    return replace(
        before,
        name="correct",
        purpose="stage two: a release (--resume-from) that learns to repair deletions, insertions and substitutions",
        mix=replace(before.mix, plain=0.25, instruct=0.2),
        noise=LiveNoise(edited_share=0.6, changed_weight=3.0, edits=EditNoise(max_rate=0.2)),
        edits_from=0.0,
        n_steps=250,
        n_live=576,
        edited_factor=1.0,
        matrix_lr=0.004,
        other_lr=0.0008,
        seed=21,
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


def order() -> Recipe:
    """Stage three: a branch, tuned on trajectories that it made itself and that its ELBO selected."""
    return replace(
        branch(),
        name="order",
        purpose="stage three: a branch (--resume-from) tuned on its own best trajectories",
        objective="ordered",
        beside=correct(),
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
        beside=correct(),
        on_policy=OnPolicy(threshold=0.5, n_anchors=1, anchor_factor=0.5, steps_factor=4.0, verifier_factor=2.0),
        n_steps=200,
        n_rows=4,
        matrix_lr=0.002,
        other_lr=0.0004,
        warmup_steps=20,
        decay_share=0.3,
        seed=3,
    )


RECIPES = {
    recipe.name: recipe
    for recipe in (
        trunk(),
        cooldown(),
        branch(),
        edit_branch(),
        release(),
        correct(),
        order(),
        policy(),
        trunk_large(),
        branch_large(),
        smoke_recipes.mask_smoke(),
        smoke_recipes.edit_smoke(),
        smoke_recipes.order_smoke(),
        smoke_recipes.policy_smoke(),
    )
}
