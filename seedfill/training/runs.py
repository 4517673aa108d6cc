"""What `seedfill train run` does: put recipe, data and trainer together, and export what comes out."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from sampler import checkpoint, devices
from sampler.tokenizer import Tokenizer
from seedfill.training import corpus, state
from seedfill.training.recipes import RECIPES, Recipe, shortened
from seedfill.training.trainer import Data, Log, Options, Trainer


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


def shipped_tokenizer() -> Path:
    """The frozen tokenizer, which lies beside the shipped weights."""
    return Path(str(resources.files("sampler") / "weights" / "tokenizer.json"))


def run(name: str, request: Request, log: Log) -> dict[str, Any]:
    """Train recipe `name`; returns the last figures. Raises BadRun with one sentence for a person."""
    recipe = find_recipe(name)
    if request.n_steps is not None:
        recipe = shortened(recipe, request.n_steps)
    device = devices.pick(request.device)
    trainer = Trainer(
        recipe,
        _read_data(request.corpus),
        Options(
            folder=request.folder,
            device=device,
            dtype=devices.fast_dtype(device),
            stop_after_steps=request.stop_after,
            compile=request.compile,
        ),
    )
    _continue(trainer, request)
    last: dict[str, Any] = {}

    def remember(entry: dict[str, Any]) -> None:
        last.update(entry)
        log(entry)

    try:
        trainer.run(remember)
    except state.StateError as error:
        raise BadRun(str(error)) from None
    if request.export is not None:
        export(trainer, request.export)
    return last


def export_newest(name: str, folder: Path, out: Path) -> dict[str, Any]:
    """Write the newest state of recipe `name` as a checkpoint folder."""
    recipe = find_recipe(name)
    data = Data(train=[corpus.Document("", "", "python", "pass\n")], heldout=[], tokenizer=Tokenizer.load(shipped_tokenizer()))
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
        dtype=torch.bfloat16,
        notes={"recipe": trainer.recipe.name, "step": trainer.step, "tokens_seen": trainer.tokens_seen},
    )


def find_recipe(name: str) -> Recipe:
    """The recipe of that name; raises BadRun for an unknown one."""
    if name not in RECIPES:
        raise BadRun(f"There is no recipe {name!r}; `seedfill train recipes` lists them.")
    return RECIPES[name]


def _read_data(folder: Path) -> Data:
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
    try:
        weights, notes = checkpoint.read_weights(request.resume_from)
    except checkpoint.ModelError as error:
        raise BadRun(str(error)) from None
    same = notes.get("recipe") == trainer.recipe.name
    trainer.start_from(weights, step=int(notes.get("step", 0)) if same else 0)
