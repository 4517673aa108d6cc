"""Small studies of how the model is trained: recipes that take minutes, and what their weights are measured by.

*Adaptation*: from one next-token trunk two branches, which differ in where the logits of a live token are read, at the
token's own position or at the one before it, and a third that goes on with next tokens alone. Along the branches, on
the same held-out tasks: what is left of the token-by-token reading, and how far the parallel one has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from sampler.engine.job import Job
from sampler.engine.scheduler import Scheduler
from sampler.model.backbone import Backbone, BackboneConfig
from sampler.model.checkpoint import LoadedModel
from sampler.protocol.messages import Event, InfillRequest, Policy
from sampler.text.windows import prefix_window, suffix_window
from seedfill.evaluation.infill import InfillOptions
from seedfill.evaluation.tasks import InfillTask
from seedfill.training.data import rows
from seedfill.training.data.samples import Mix
from seedfill.training.data.spans import line_spans
from seedfill.training.loop import runs
from seedfill.training.loop.own_model import as_model
from seedfill.training.loop.recipe import Recipe
from seedfill.training.loop.recipes import DEFAULT_NETWORK, branch, trunk
from seedfill.training.loop.smoke_recipes import SMOKE_NETWORK
from seedfill.training.loop.trainer import Data, Options, Trainer
from seedfill.training.objectives import losses
from seedfill.training.objectives.live import LiveRows
from seedfill.training.objectives.losses import LossParts
from seedfill.training.objectives.stages import Masked
from seedfill.training.studies.bits import bits_per_byte
from seedfill.training.studies.scorecard import fill_figures

Log = Callable[[str], None]

SmallCorpus = Literal["stdlib", "codecs"]
NETWORKS: dict[SmallCorpus, BackboneConfig] = {
    "stdlib": replace(
        DEFAULT_NETWORK,
        vocab_size=2048,
        hidden_size=96,
        intermediate_size=288,
        n_layers=4,
        n_heads=3,
        n_kv_heads=3,
        head_dim=32,
    ),
    "codecs": SMOKE_NETWORK,
}
"""0.7M parameters, which in some minutes learn a little of everything; 0.1M, which learn seventy like files well."""
LENGTHS: dict[SmallCorpus, int] = {"stdlib": 320, "codecs": 192}
"""Tokens of a row."""
MIX = Mix(plain=0.3, infill=0.7, holes=0.0, repair=0.0, snippets=0.0)
PREFIX, SUFFIX = 300, 120
"""Characters of a task that are shown: what such short rows teach to read."""
BLOCK = 8
N_TASKS = 30
N_ROWS = 6
"""Stretches of text whose bits are counted."""
BRANCHES: dict[str, int | None] = {"own position": 0, "position before": 1, "next tokens alone": None}
"""Where a live token's logits are read, as a shift; None: no live tokens."""
READINGS: dict[str, Policy] = {"sequential": "sequential", "parallel": "threshold"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How long a study takes."""

    corpus: SmallCorpus = "stdlib"
    trunk_steps: int = 300
    branch_steps: int = 150
    n_points: int = 3
    """At so many points of a branch it is measured."""
    n_tasks: int = N_TASKS
    seed: int = 0


def trunk_recipe(size: Size) -> Recipe:
    """Next tokens, at a constant rate."""
    return replace(
        _small(trunk(), size),
        name="study-trunk",
        n_steps=size.trunk_steps,
        seed=size.seed,
    )


def branch_recipe(size: Size) -> Recipe:
    """Masked live blocks over the clean stream, with a decay."""
    return replace(
        _small(branch(), size),
        name="study-branch",
        n_steps=size.branch_steps,
        n_live=LENGTHS[size.corpus] // 2,
        decay_share=0.5,
        seed=size.seed + 1,
    )


def _small(recipe: Recipe, size: Size) -> Recipe:
    network, length = NETWORKS[size.corpus], LENGTHS[size.corpus]
    return replace(recipe, network=network, n_rows=6, length=length, warmup_steps=20, mix=MIX, corpus=size.corpus)


def read_small(recipe: Recipe, folder: Path) -> Data:
    """What a study reads, held-out files joined into one where each is short."""
    data = runs.read_data(recipe, folder)
    if recipe.corpus == "stdlib":
        return data
    text = "\n".join(document.text for document in data.heldout)
    return replace(data, heldout=[replace(data.heldout[0], text=text)])


@dataclass(frozen=True, slots=True)
class Shifted:
    """The mask-based process, a live token's logits read at the position before it."""

    masked: Masked

    def draw(self, *, seed: int, step: int, own: range, held_out: bool) -> Any:
        """The same two streams."""
        return self.masked.draw(seed=seed, step=step, own=own, held_out=held_out)

    def parts(self, network: Backbone, batch: tuple[rows.Rows, LiveRows], device: torch.device, step: int) -> LossParts:
        """Masked and next tokens."""
        clean, live = batch
        factor = self.masked.recipe.next_token_factor
        return losses.masked(network, clean, live, device, factor, logit_shift=1)


@dataclass(slots=True)
class LocalEngine:
    """A model that answers on this thread, before `submit` returns."""

    model: LoadedModel

    def submit(self, request: InfillRequest, on_event: Callable[[Event], None]) -> None:
        """Fill the request's spans."""
        scheduler = Scheduler()
        scheduler.admit(Job(request, on_event), self.model)
        while scheduler.active:
            scheduler.round()


def study_adaptation(folder: Path, size: Size, log: Log) -> list[dict[str, Any]]:
    """A row for the trunk and for each point of each branch; states and logs go to `folder`."""
    recipe = trunk_recipe(size)
    data = read_small(recipe, folder)
    tasks = short_line_spans(data, size)
    trunk_run = make_trainer(recipe, data, folder / "trunk")
    log(f"trunk: {recipe.n_steps} steps")
    train(trunk_run)
    found = [_row("trunk", 0, model_of(trunk_run, 0), data, tasks, ["sequential"])]
    for name, shift in BRANCHES.items():
        recipe = branch_recipe(size)
        recipe = recipe if shift is not None else replace(recipe, objective="next_token")
        trainer = make_trainer(recipe, data, folder / name, stop_after=-(-recipe.n_steps // size.n_points))
        trainer.start_from(trunk_run.weights)
        if shift and isinstance(trainer.stage, Masked):
            trainer.stage = Shifted(trainer.stage)
        for n_tokens in _train_in_parts(trainer):
            log(f"{name}: step {trainer.step} of {recipe.n_steps}")
            readings = list(READINGS) if shift is not None else ["sequential"]
            found.append(_row(name, n_tokens, model_of(trainer, shift or 0), data, tasks, readings))
    return found


def _train_in_parts(trainer: Trainer) -> Iterator[int]:
    """The tokens seen whenever the run pauses."""
    while trainer.step < trainer.recipe.n_steps:
        train(trainer)
        yield trainer.tokens_seen


def _row(
    name: str, n_tokens: int, model: LoadedModel, data: Data, tasks: list[InfillTask], readings: Sequence[str]
) -> dict[str, Any]:
    """Bits a byte and fills of a model, by each reading."""
    bits = bits_per_byte(model, data.heldout, (BLOCK,) if "parallel" in readings else (), n_rows=N_ROWS)
    row: dict[str, Any] = {"logits": name, "tokens": n_tokens, "bits_causal": bits["causal"]}
    row["bits_blocks"] = bits.get(str(BLOCK))
    for reading in readings:
        options = InfillOptions(max_tokens=32, policy=READINGS[reading], block_size=BLOCK)
        filled = fill_figures(LocalEngine(model), tasks, options)
        row |= {f"{reading}_{key}": filled[key] for key in ("exact_match", "edit_similarity", "tokens_per_forward")}
    return row


def short_line_spans(data: Data, size: Size) -> list[InfillTask]:
    """Rests of held-out lines, seen through a short window."""
    return [
        replace(task, prompt=prefix_window(task.prompt, PREFIX), suffix=suffix_window(task.suffix, SUFFIX))
        for task in line_spans(data.heldout, size.n_tasks, size.seed)
    ]


def make_trainer(recipe: Recipe, data: Data, folder: Path, stop_after: int | None = None) -> Trainer:
    """A run that measures nothing by itself."""
    options = Options(
        folder=folder, probe_tasks=0, evaluate_steps=1 << 30, save_seconds=1e9, stop_after_steps=stop_after
    )
    return Trainer(recipe, data, options)


def train(trainer: Trainer) -> None:
    """Go on as far as the run is to go at once; its log lies in its folder."""
    trainer.run(lambda entry: None)


def model_of(trainer: Trainer, shift: int) -> LoadedModel:
    """The network in training, as the sampler reads it."""
    model = as_model(trainer.weights_model, trainer.tokenizer)
    return replace(model, profile=replace(model.profile, logit_shift=shift))
