"""Trajectories on disk: made shard by shard, each written whole, so that a killed run goes on with the next one.

A folder holds `trajectories.json`, which says what the shards were made from and by (format, seed, candidates, hashes
of weights and tokenizer), and `shard-NNNNN.jsonl.gz`. A line is one trajectory, the fields of `Trajectory` as JSON:

    {"sample": 17, "source": "model", "context": [9, 301, …], "tokens": [88, 412, 6], "order": [0, 0, 1],
     "block_size": 8, "elbo": -0.41}

Token ids are the tokenizer's. Shard k holds the samples k · n … (k + 1) · n − 1 and depends on nothing but the weights,
the files and (seed, sample), so several machines can make a share each. Nothing is unpickled.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sampler.model.checkpoint import LoadedModel
from sampler.protocol.whole import whole_file
from seedfill.training.data.corpus import Document
from seedfill.training.data.prompts import Prompt, PromptShape, draw_prompt
from seedfill.training.objectives.noise import NoiseSchedule
from seedfill.training.objectives.trajectory import Rollout, Trajectory, gold_trajectory, roll_out, sampling
from seedfill.training.objectives.trajectory_rows import scored

FORMAT = 1
MANIFEST = "trajectories.json"


class StoreError(Exception):
    """Trajectories that cannot be read or continued; the text says which and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """How many candidates of each source a sample gets, and how they come about."""

    n_samples: int = 2_000
    shard_samples: int = 64
    n_model: int = 2
    n_any_order: int = 4
    n_keep: int = 1
    """Trajectories that are selected, for each sample and source."""
    block_sizes: tuple[int, ...] = (4, 8, 8, 16)
    thresholds: tuple[float, ...] = (0.5, 0.7, 0.9)
    temperature: float = 0.5
    schedule: NoiseSchedule = NoiseSchedule()
    shape: PromptShape = field(default_factory=PromptShape)

    @property
    def is_choice(self) -> bool:
        """Whether any of the candidates will be left out, so that they have to be scored."""
        return max(self.n_model, self.n_any_order) > self.n_keep

    @property
    def n_shards(self) -> int:
        """Shards of all samples."""
        return -(-self.n_samples // self.shard_samples)


def fill_store(
    folder: Path,
    model: LoadedModel,
    documents: Sequence[Document],
    candidates: Candidates,
    *,
    seed: int,
    shards: range | None = None,
    on_shard: Callable[[int], None] | None = None,
) -> int:
    """Make the shards that are missing (of `shards`, or all); returns how many were made.

    Raises StoreError where the folder holds trajectories of other weights or another configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, _description(model, candidates, seed))
    missing = [k for k in (range(candidates.n_shards) if shards is None else shards) if not _shard(folder, k).is_file()]
    for k in missing:
        _write(_shard(folder, k), make_shard(model, documents, candidates, seed, k))
        if on_shard is not None:
            on_shard(k)
    return len(missing)


def read_store(folder: Path) -> list[Trajectory]:
    """All trajectories of a folder, in the order of their shards. Raises StoreError for what cannot be read."""
    paths = sorted(folder.glob("shard-*.jsonl.gz"))
    if not paths:
        raise StoreError(f"There are no trajectories in {folder}; `seedfill train run order` makes them.")
    return [trajectory for path in paths for trajectory in _read(path)]


def make_shard(
    model: LoadedModel, documents: Sequence[Document], candidates: Candidates, seed: int, shard: int
) -> list[Trajectory]:
    """The candidates of one shard's samples, with their ELBOs where there is a choice."""
    first = shard * candidates.shard_samples
    samples = range(first, min(first + candidates.shard_samples, candidates.n_samples))
    rngs = [random.Random(f"{seed}/{sample}") for sample in samples]
    prompts = [draw_prompt(documents, model.tokenizer, candidates.shape, rng) for rng in rngs]
    sizes = [rng.choice(candidates.block_sizes) for rng in rngs]
    found: list[Trajectory] = []
    rollouts = _rollouts(model, prompts, sizes, candidates, f"{seed}/{shard}")
    for sample, prompt, size, rng, own in zip(samples, prompts, sizes, rngs, rollouts, strict=True):
        found += [_from_model(sample, prompt, size, rollout) for rollout in own if is_usable(rollout)]
        found += [
            gold_trajectory(prompt, size, rng, candidates.schedule, sample) for _ in range(candidates.n_any_order)
        ]
    return scored(model, found) if candidates.is_choice else found


def is_usable(rollout: Rollout) -> bool:
    """Whether something was written and brought to an end: nothing is learned from empty or endless spans."""
    return rollout.has_ended and len(rollout.tokens) > 1


def _rollouts(
    model: LoadedModel, prompts: Sequence[Prompt], sizes: Sequence[int], candidates: Candidates, seed: str
) -> list[list[Rollout]]:
    if candidates.n_model == 0:
        return [[] for _ in prompts]
    samplings = [
        [
            sampling(f"{seed}/{i}/{c}", size, candidates.thresholds[c % len(candidates.thresholds)], temperature)
            for c, temperature in enumerate([candidates.temperature] * candidates.n_model)
        ]
        for i, size in enumerate(sizes)
    ]
    return roll_out(model, [prompt.context for prompt in prompts], samplings, candidates.shape.max_tokens)


def _from_model(sample: int, prompt: Prompt, block_size: int, rollout: Rollout) -> Trajectory:
    return Trajectory(
        sample=sample,
        source="model",
        context=prompt.context.tokens,
        tokens=rollout.tokens,
        order=rollout.order,
        block_size=block_size,
    )


def _description(model: LoadedModel, candidates: Candidates, seed: int) -> dict[str, Any]:
    weights = hashlib.sha256()
    for name, value in model.backbone.state_dict().items():
        weights.update(name.encode() + value.detach().float().cpu().numpy().tobytes())
    tokens = hashlib.sha256(b"\0".join(model.tokenizer.token_bytes)).hexdigest()
    described: dict[str, Any] = json.loads(json.dumps(asdict(candidates)))
    return {
        "format": FORMAT,
        "seed": seed,
        "candidates": described,
        "weights": weights.hexdigest(),
        "tokenizer": tokens,
    }


def _claim(folder: Path, description: dict[str, Any]) -> None:
    """Write the manifest, or see that the one there says the same."""
    path = folder / MANIFEST
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        text = json.dumps(description, indent=1) + "\n"
        with whole_file(path) as fresh:
            fresh.write_text(text, encoding="utf-8")
        return
    except ValueError:
        raise StoreError(f"{path} is damaged: move {folder} away to start afresh.") from None
    other = next((key for key, value in description.items() if there.get(key) != value), None)
    if other is not None:
        raise StoreError(f"The trajectories in {folder} differ in {other}: move the folder away to start afresh.")


def _shard(folder: Path, k: int) -> Path:
    return folder / f"shard-{k:05}.jsonl.gz"


def _write(path: Path, trajectories: Sequence[Trajectory]) -> None:
    lines = "".join(json.dumps(asdict(trajectory)) + "\n" for trajectory in trajectories)
    data = gzip.compress(lines.encode(), mtime=0)
    with whole_file(path) as fresh:
        fresh.write_bytes(data)


def _read(path: Path) -> Iterator[Trajectory]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield Trajectory(**json.loads(line))
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise StoreError(f"{path} is damaged ({error}): delete it, and it is made again.") from None
