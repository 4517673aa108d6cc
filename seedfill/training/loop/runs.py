"""What `seedfill train run` does: put recipe, data and trainer together, and export what comes out."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from sampler.model import checkpoint, devices
from sampler.model.folder import ModelError, read_config
from sampler.model.tokenizer import Tokenizer
from seedfill.training.data import bpe, corpus, smoke_files
from seedfill.training.loop import state
from seedfill.training.loop.open_checkpoint import OpenCheckpoint, is_open, read_open
from seedfill.training.loop.ordering import Pools, order_figures, prepare
from seedfill.training.loop.own_model import MAX_POSITIONS, as_model, handed_on, notes
from seedfill.training.loop.recipe import Recipe, shortened
from seedfill.training.loop.recipes import RECIPES
from seedfill.training.loop.trainer import Data, Log, Options, Trainer
from seedfill.training.objectives import stages
from seedfill.training.objectives.figures import repaired
from seedfill.training.objectives.on_policy import policy_figures
from seedfill.training.objectives.trajectory_store import StoreError

Figure = Callable[[], Any]
N_PROMPTS = 48
"""Held-out prompts that the figures of on-policy learning are taken on."""


class BadRun(Exception):
    """A run that cannot start; the text says why and what to do."""


class Unsaved(Exception):
    """A run that was done and whose last state could not be written; the text says why and what to do."""


class Stopped(Exception):
    """A run that a signal stopped; the text says where and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """How a recipe is to be run."""

    folder: Path
    corpus: Path
    resume: bool = False
    resume_from: Path | None = None
    n_steps: int | None = None
    seed: int | None = None
    stop_after: int | None = None
    export: Path | None = None
    device: str = "auto"
    compile: bool = True
    n_workers: int = 0


def shipped_tokenizer() -> Path:
    """The frozen tokenizer, which lies beside the shipped weights."""
    return Path(str(resources.files("sampler") / "weights" / "tokenizer.json"))


def run(name: str, request: Request, log: Log) -> dict[str, Any]:
    """Train recipe `name`; returns the last figures. Raises BadRun, Stopped or Unsaved, each with one sentence."""
    recipe = _as_asked(find_recipe(name), request)
    try:
        device = devices.pick_device(request.device)
    except devices.NoDevice as error:
        raise BadRun(str(error)) from None
    recipe, data = _adopted(recipe, read_data(recipe, request.corpus), request)
    trainer = _trainer(recipe, data, request, device)
    _continue(trainer, request, log)
    try:
        figure = _figure(trainer, request, log)
        figures: dict[str, Any] = {"recipe": name}
        if figure is not None:
            figures["before"] = figure()

        def remember(entry: dict[str, Any]) -> None:
            figures.update(entry)
            log(entry)

        trainer.run(remember)
    except (state.StateError, StoreError) as error:
        raise BadRun(str(error)) from None
    if trainer.is_stopped and trainer.unsaved is None:
        raise Stopped(f"Stopped at step {trainer.step:,}, which is saved: go on with --resume.")
    if request.export is not None and not trainer.is_stopped:
        export(trainer, request.export)
    if trainer.unsaved is not None:
        raise Unsaved(f"{trainer.unsaved} Make room there and go on with --resume.")
    if figure is not None:
        figures["after"] = figure()
    return figures


def _as_asked(recipe: Recipe, request: Request) -> Recipe:
    if request.n_steps is not None:
        recipe = shortened(recipe, request.n_steps)
    return recipe if request.seed is None else replace(recipe, seed=request.seed)


def _adopted(recipe: Recipe, data: Data, request: Request) -> tuple[Recipe, Data]:
    """An open checkpoint brings its own shape and tokenizer; otherwise all stays as the recipe says."""
    if request.resume_from is None or not _is_open(request.resume_from):
        return recipe, data
    opened = _read_open(request.resume_from)
    return replace(recipe, network=opened.network), replace(data, tokenizer=opened.tokenizer)


def _is_open(folder: Path) -> bool:
    try:
        return is_open(folder)
    except ModelError as error:
        raise BadRun(str(error)) from None


def _read_open(folder: Path) -> OpenCheckpoint:
    try:
        return read_open(folder)
    except ModelError as error:
        raise BadRun(str(error)) from None


def _trainer(recipe: Recipe, data: Data, request: Request, device: torch.device) -> Trainer:
    is_smoke = recipe.corpus != "packages"
    options = Options(
        folder=request.folder,
        device=device,
        dtype=devices.pick_dtype(device),
        stop_after_steps=request.stop_after,
        compile=request.compile and not is_smoke and recipe.objective in ("next_token", "masked"),
        n_workers=request.n_workers,
        probe_tasks=0 if is_smoke else 24,
        log_steps=1 if recipe.objective == "on_policy" else 10,  # few rollouts a step: the plot smooths over many
    )
    return Trainer(recipe, data, options)


def export_newest(name: str, folder: Path, out: Path) -> dict[str, Any]:
    """Write the newest state of recipe `name` as a checkpoint folder."""
    recipe = find_recipe(name)
    nothing = [corpus.Document("", "", "python", "pass\n")]
    data = Data(train=nothing, heldout=[], tokenizer=Tokenizer.load(shipped_tokenizer()))
    trainer = Trainer(recipe, data, Options(folder=folder))
    if not trainer.resume():
        raise BadRun(f"There is no state in {folder}; `seedfill train run {name}` makes one.")
    export(trainer, out)
    return {"step": trainer.step, "tokens": trainer.tokens_seen, "folder": str(out)}


def export(trainer: Trainer, out: Path) -> None:
    """Write weights (bfloat16), or their mean where the recipe keeps one, config and tokenizer in Hugging Face layout,
    with the step they come from."""
    inherited = trainer.inherited | ({"edits": True} if _teaches_edits(trainer.recipe) else {})
    with trainer.averaged():
        checkpoint.save(
            out,
            trainer.weights_model,
            trainer.tokenizer,
            max_positions=MAX_POSITIONS,
            dtype=torch.bfloat16,
            seedfill=notes(trainer.recipe.name, trainer.step, trainer.tokens_seen, inherited),
        )


def _teaches_edits(recipe: Recipe) -> bool:
    """Whether visible tokens were judged, so that <delete> and <expand> are answers."""
    is_corrupted = recipe.noise.edited_share > 0 and recipe.edits_from < 1
    return recipe.objective == "masked" and (is_corrupted or recipe.mix.drafts > 0)


def read_exported(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Weights of a checkpoint folder by name, and what its config.json says under "seedfill"."""
    try:
        weights: dict[str, torch.Tensor] = dict(checkpoint.load_backbone(folder).named_parameters())
        return weights, read_config(folder).get("seedfill", {})
    except ModelError as error:
        raise BadRun(str(error)) from None


def find_recipe(name: str) -> Recipe:
    """The recipe of that name; raises BadRun for an unknown one."""
    if name not in RECIPES:
        raise BadRun(f"There is no recipe {name!r}; `seedfill train recipes` lists them.")
    return RECIPES[name]


def _figure(trainer: Trainer, request: Request, log: Log) -> Figure | None:
    """What the recipe is to better, as a function of the weights at hand; None where held-out losses say it all.

    Constrained-order training makes its trajectories here, by the weights it starts from.
    """
    recipe, network, tokenizer, heldout = trainer.recipe, trainer.weights_model, trainer.tokenizer, trainer.probed
    if recipe.objective == "ordered":
        pools = _prepare(trainer, request, log)
        trainer.stage = trainer.with_kept(stages.Ordered(recipe, tokenizer, pools.selected, pools.heldout_selected))
        return lambda: order_figures(as_model(network, tokenizer), pools) | {"loss": trainer.evaluate()["masked"]}
    if recipe.objective == "on_policy":
        how, rng = recipe.on_policy, random.Random(recipe.seed)
        source = stages.PromptSource(heldout)
        prompts = [source.draw(tokenizer, how, rng) for _ in range(N_PROMPTS)]
        return lambda: policy_figures(as_model(network, tokenizer), prompts, how)
    if recipe.corpus == "packages":
        return None
    if recipe.edits_from < 1:
        return lambda: repaired(network, heldout, tokenizer)
    return lambda: trainer.evaluate()["masked_plain"]


def _prepare(trainer: Trainer, request: Request, log: Log) -> Pools:
    model = as_model(trainer.model, trainer.tokenizer)
    return prepare(
        request.folder / "trajectories",
        trainer.recipe,
        model,
        trainer.data.train,
        trainer.data.heldout,
        lambda text: log({"trajectories": text}),
        is_resumed=trainer.step > 0,
        rank=trainer.rank,
        world=trainer.world,
    )


def read_data(recipe: Recipe, folder: Path) -> Data:
    """What a recipe reads; `folder` holds the built corpus. Raises BadRun where it is not there."""
    n_vocab = recipe.network.vocab_size
    if recipe.corpus == "stdlib":
        documents = [d for d in corpus.stdlib_documents() if len(d.text) > 500 and not corpus.looks_generated(d.text)]
        return _every_tenth_held_out(documents, bpe.learn((d.text for d in documents[1:200]), n_vocab))
    if recipe.corpus == "codecs":
        documents = smoke_files.codec_documents()
        return _every_tenth_held_out(documents, bpe.learn((d.text for d in documents), n_vocab))
    try:
        return Data(
            train=corpus.read(folder, "train"),
            heldout=corpus.read(folder, "heldout"),
            tokenizer=Tokenizer.load(shipped_tokenizer()),
        )
    except (corpus.CorpusError, OSError, ValueError) as error:
        raise BadRun(str(error)) from None


def _every_tenth_held_out(documents: list[corpus.Document], tokenizer: Tokenizer) -> Data:
    train = [d for i, d in enumerate(documents) if i % 10]
    return Data(train=train, heldout=documents[::10], tokenizer=tokenizer)


def _continue(trainer: Trainer, request: Request, log: Log) -> None:
    """Put the trainer where it is to go on from: the newest state, exported weights, what comes before, or random."""
    try:
        if request.resume and trainer.resume():
            return
    except state.StateError as error:
        raise BadRun(str(error)) from None
    if request.resume_from is not None and _is_open(request.resume_from):
        trainer.start_from(_read_open(request.resume_from).weights)
    elif request.resume_from is not None:
        weights, said = read_exported(request.resume_from)
        same = said.get("recipe") == trainer.recipe.name and "averaged" not in said  # a mean is at no step of a run
        step, n_seen = (int(said.get("step", 0)), int(said.get("tokens_seen", 0))) if same else (0, 0)
        if step >= trainer.recipe.n_steps:
            raise BadRun(
                f"The weights in {request.resume_from} have all {trainer.recipe.n_steps:,} steps of {said['recipe']}: "
                f"ask for more with --steps."
            )
        trainer.start_from(weights, step, n_seen)
        trainer.inherited = handed_on(said, trainer.recipe.name)
    elif trainer.recipe.start is not None:
        first = _trainer(trainer.recipe.start, trainer.data, _before(request), trainer.options.device)
        _figure(first, _before(request), log)  # makes what it trains on
        first.run(log)
        trainer.start_from(first.weights)
    elif trainer.recipe.objective in ("ordered", "on_policy"):
        raise BadRun(f"The recipe {trainer.recipe.name} tunes trained weights: name their folder with --resume-from.")


def _before(request: Request) -> Request:
    """The request of the recipe that makes the weights to start from."""
    return replace(request, folder=request.folder / "start", resume=False, stop_after=None, export=None)
