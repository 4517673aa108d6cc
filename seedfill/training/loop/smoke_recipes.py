"""Every stage in a minute: recipes for a tiny network that reads what any Python brings along."""

from __future__ import annotations

from dataclasses import replace

from sampler.model.backbone import BackboneConfig
from seedfill.training.data.prompts import PromptShape
from seedfill.training.loop.recipe import Recipe
from seedfill.training.objectives.corrupt import EditNoise
from seedfill.training.objectives.live import LiveNoise
from seedfill.training.objectives.on_policy import OnPolicy
from seedfill.training.objectives.trajectory_rows import Restoring
from seedfill.training.objectives.trajectory_store import Candidates

SMALLEST_NETWORK = BackboneConfig(
    vocab_size=512,
    hidden_size=64,
    intermediate_size=192,
    n_layers=2,
    n_heads=2,
    n_kv_heads=1,
    head_dim=32,
    rope_theta=10_000.0,
    qk_norm=True,
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
