"""What `seedfill train run` does: put recipe, data and trainer together, and export what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from sampler import checkpoint, devices
from sampler.tokenizer import Tokenizer
from seedfill.training import bpe, corpus, smoke, state
from seedfill.training.figures import repaired
from seedfill.training.recipes import RECIPES, Recipe, shortened
from seedfill.training.trainer import FACTS, MAX_POSITIONS, Data, Log, Options, Trainer


class BadRun(Exception):
    """A run that cannot start; the text says why and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """How a recipe is to be run."""

    folder: Path
    corpus: Path
    resume: bool = False
    resume_from: Path | None = None
    n_steps: int | None = None
    stop_after: int | None = None
    export: Path | None = None
    device: str = "auto"
    compile: bool = True
    n_workers: int = 0


def shipped_tokenizer() -> Path:
    """The frozen tokenizer, which lies beside the shipped weights."""
    return Path(str(resources.files("sampler") / "weights" / "tokenizer.json"))


def run(name: str, request: Request, log: Log) -> dict[str, Any]:
    """Train recipe `name`; returns the last figures. Raises BadRun with one sentence for a person."""
    recipe = find_recipe(name)
    if request.n_steps is not None:
        recipe = shortened(recipe, request.n_steps)
    try:
        device = devices.pick_device(request.device)
    except devices.NoDevice as error:
        raise BadRun(str(error)) from None
    is_smoke = recipe.corpus != "packages"
    trainer = Trainer(
        recipe,
        _read_data(recipe, request.corpus),
        Options(
            folder=request.folder,
            device=device,
            dtype=devices.pick_dtype(device),
            stop_after_steps=request.stop_after,
            compile=request.compile and not is_smoke,
            n_workers=request.n_workers,
            probe_tasks=0 if is_smoke else 24,
        ),
    )
    _continue(trainer, request)
    figures: dict[str, Any] = {"recipe": name}
    if is_smoke:
        figures["before"] = _own_figure(trainer)

    def remember(entry: dict[str, Any]) -> None:
        figures.update(entry)
        log(entry)

    try:
        trainer.run(remember)
    except state.StateError as error:
        raise BadRun(str(error)) from None
    if request.export is not None:
        export(trainer, request.export)
    if is_smoke:
        figures["after"] = _own_figure(trainer)
    return figures


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
    """Write weights (bfloat16), config and tokenizer in Hugging Face layout, with the step they come from."""
    checkpoint.save(
        out,
        trainer.weights_model,
        trainer.tokenizer,
        max_positions=MAX_POSITIONS,
        dtype=torch.bfloat16,
        seedfill={
            "name": f"seedfill-{trainer.recipe.name}",
            **FACTS,
            "recipe": trainer.recipe.name,
            "step": trainer.step,
            "tokens_seen": trainer.tokens_seen,
        },
    )


def read_exported(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Weights of a checkpoint folder by name, and what its config.json says under "seedfill"."""
    try:
        weights: dict[str, torch.Tensor] = dict(checkpoint.load_backbone(folder).named_parameters())
        return weights, checkpoint.read_config(folder).get("seedfill", {})
    except checkpoint.ModelError as error:
        raise BadRun(str(error)) from None


def find_recipe(name: str) -> Recipe:
    """The recipe of that name; raises BadRun for an unknown one."""
    if name not in RECIPES:
        raise BadRun(f"There is no recipe {name!r}; `seedfill train recipes` lists them.")
    return RECIPES[name]


def _own_figure(trainer: Trainer) -> float | dict[str, float]:
    """What a smoke recipe is to better: the held-out masked loss, or the shares of edits repaired."""
    if trainer.recipe.edits_from < 1:
        return repaired(trainer.weights_model, trainer.probed, trainer.tokenizer)
    return trainer.evaluate()["masked_plain"]


def _read_data(recipe: Recipe, folder: Path) -> Data:
    if recipe.corpus == "stdlib":
        documents = [d for d in corpus.stdlib_documents() if len(d.text) > 500 and not corpus.looks_generated(d.text)]
        return Data(
            train=[d for i, d in enumerate(documents) if i % 10],
            heldout=documents[::10],
            tokenizer=bpe.learn((d.text for d in documents[1:200]), recipe.network.vocab_size),
        )
    if recipe.corpus == "codecs":
        documents = smoke.codec_documents()
        return Data(
            train=[d for i, d in enumerate(documents) if i % 10],
            heldout=documents[::10],
            tokenizer=bpe.learn((d.text for d in documents), recipe.network.vocab_size),
        )
    try:
        return Data(
            train=corpus.read(folder, "train"),
            heldout=corpus.read(folder, "heldout"),
            tokenizer=Tokenizer.load(shipped_tokenizer()),
        )
    except (corpus.CorpusError, OSError, ValueError) as error:
        raise BadRun(str(error)) from None


def _continue(trainer: Trainer, request: Request) -> None:
    """Put the trainer where it is to go on from: the newest state, else exported weights, else the beginning."""
    try:
        if request.resume and trainer.resume():
            return
    except state.StateError as error:
        raise BadRun(str(error)) from None
    if request.resume_from is None:
        return
    weights, notes = read_exported(request.resume_from)
    same = notes.get("recipe") == trainer.recipe.name
    trainer.start_from(weights, step=int(notes.get("step", 0)) if same else 0)
