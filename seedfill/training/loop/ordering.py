"""Getting ready for constrained-order training: trajectories of the weights at hand, made once and kept, selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch.distributed as dist

from sampler.model.checkpoint import LoadedModel
from seedfill.training.data.corpus import Document
from seedfill.training.loop.recipe import Recipe
from seedfill.training.objectives.trajectory import Trajectory, select
from seedfill.training.objectives.trajectory_rows import scored
from seedfill.training.objectives.trajectory_store import Candidates, fill_store, read_store

HELDOUT_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Pools:
    """All trajectories of held-out files, which of them were selected, and what is trained on."""

    selected: list[Trajectory]
    heldout: list[Trajectory]
    heldout_selected: list[Trajectory]


def prepare(
    folder: Path,
    recipe: Recipe,
    model: LoadedModel,
    train: Sequence[Document],
    heldout: Sequence[Document],
    on_shard: Callable[[str], None],
    *,
    is_resumed: bool,
    rank: int = 0,
    world: int = 1,
) -> Pools:
    """Make the trajectories that are missing, unless training on them has begun; read and select them.

    Of several processes each makes its share of the shards and waits for the others. Raises StoreError where the
    folder holds those of other weights.
    """
    candidates = recipe.candidates
    fewer = replace(candidates, n_samples=max(int(candidates.n_samples * HELDOUT_SHARE), 1))
    for name, documents, share in (("train", train, candidates), ("heldout", heldout, fewer)):
        if not is_resumed:
            own = range(rank, share.n_shards, world)
            _make(folder / name, model, documents, share, recipe.seed, own, on_shard)
    if world > 1:
        dist.barrier()
    all_heldout = read_store(folder / "heldout")
    return Pools(
        select(read_store(folder / "train"), candidates.n_keep), all_heldout, select(all_heldout, candidates.n_keep)
    )


def order_figures(model: LoadedModel, pools: Pools) -> dict[str, float]:
    """Mean ELBO by `model`, nats a token, of the held-out trajectories that were selected and of all."""
    return {
        "elbo_selected": _mean_elbo(scored(model, pools.heldout_selected)),
        "elbo_all": _mean_elbo(scored(model, pools.heldout)),
    }


def _make(
    folder: Path,
    model: LoadedModel,
    documents: Sequence[Document],
    candidates: Candidates,
    seed: int,
    own: range,
    on_shard: Callable[[str], None],
) -> None:
    def told(shard: int) -> None:
        on_shard(f"{folder.name}: shard {shard + 1} of {candidates.n_shards}")

    fill_store(folder, model, documents, candidates, seed=seed, shards=own, on_shard=told)


def _mean_elbo(trajectories: Sequence[Trajectory]) -> float:
    """A mean over tokens, so that short spans do not outweigh long ones."""
    n = sum(len(t.tokens) for t in trajectories)
    return sum((t.elbo or 0.0) * len(t.tokens) for t in trajectories) / n
