"""The models that are installed, read from their folders without loading them (and without torch)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import safe_open

from sampler.model.families import MAX_CONFIG_BYTES, Config, FamilyProfile, UnknownFamily, model_id, recognise
from sampler.model.gguf_file import DIRECTORY, is_gguf_folder
from sampler.model.tokenizer import Tokenizer
from sampler.protocol.paths import default_model_folder, user_models
from sampler.protocol.regular_files import read_regular


class DamagedModel(ValueError):
    """A model folder that cannot be used; its text is one sentence for a person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InstalledModel:
    """What a model folder says of itself. `bytes` is the size of its weights."""

    id: str
    folder: Path
    licence: str | None
    parameters: int
    bytes: int
    languages: tuple[str, ...]
    """Empty: unknown, so any."""


def model_folders() -> list[Path]:
    """The default model's folder and those below the data home's `models`, where they exist."""
    folders = dict.fromkeys([default_model_folder(), *user_models()])
    return [folder for folder in folders if (folder / "config.json").exists()]


def read_model(folder: Path) -> InstalledModel:
    """Describe a model folder; raises DamagedModel."""
    return _read(folder)[0]


def check_folder(folder: Path) -> dict[str, Any]:
    """What a checkpoint is, by its own files; raises DamagedModel where it cannot be used."""
    model, config, profile = _read(folder)
    return {
        "family": profile.name,
        "parameters": model.parameters,
        "bytes": model.bytes,
        "layout": profile.layout,
        "mask_id": profile.mask_id,
        "block_size": profile.block_size,
        "context_length": config.get("max_position_embeddings"),
        "languages": list(profile.languages),
        "complaints": [],
    }


def _read(folder: Path) -> tuple[InstalledModel, Config, FamilyProfile]:
    """(what a folder says of itself, its config, its family's facts); raises DamagedModel."""
    if not (folder / "config.json").exists():
        raise DamagedModel(f"{folder} is no model's folder: it has no config.json.")
    try:
        config = read_config(folder)
        profile = recognise(config, Tokenizer.load(folder / "tokenizer.json"))
        n_weights, n_bytes = _size(folder)
        model = InstalledModel(
            id=model_id(folder, config),
            folder=folder,
            licence=_licence(folder / "README.md"),
            parameters=n_weights,
            bytes=n_bytes,
            languages=profile.languages,
        )
        return model, config, profile
    except UnknownFamily as error:
        raise DamagedModel(f"{folder} is not a model that can be used: {error}") from None
    except DamagedModel:
        raise
    except Exception as error:  # whatever a stranger's files may bring about is about this one model
        raise DamagedModel(f"{folder} is damaged ({error}); fetch the model again.") from None


def _size(folder: Path) -> tuple[int, int]:
    """(weights, bytes of their files); raises DamagedModel where there are none."""
    if is_gguf_folder(folder):
        directory = json.loads(read_regular(folder / DIRECTORY, MAX_CONFIG_BYTES) or b"")
        shapes = (place["shape"] for place in directory["tensors"].values())
        return sum(map(prod, shapes)), (folder / directory["file"]).stat().st_size
    files = [file for file in sorted(folder.glob("*.safetensors")) if file.is_file()]
    if not files:
        raise DamagedModel(f"{folder} holds no weights; fetch the model again.")
    return sum(map(prod, _shapes(files))), sum(file.stat().st_size for file in files)


def read_config(folder: Path) -> Config:
    """config.json of a model's folder, without torch; raises ValueError or OSError."""
    try:
        config = json.loads(read_regular(folder / "config.json", MAX_CONFIG_BYTES, follow=True) or b"")
    except RecursionError:
        raise ValueError("config.json is nested too deep") from None
    if not isinstance(config, dict):
        raise ValueError("config.json is no object")
    return config


def _shapes(files: Iterable[Path]) -> Iterator[tuple[int, ...]]:
    for file in files:
        with safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118  (an open file, not a dict)
                yield tuple(tensors.get_slice(name).get_shape())


def _licence(card: Path) -> str | None:
    """The licence that the model card's first lines name."""
    if not card.is_file():
        return None
    match = re.search(r"^license: *(\S+)", card.read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else None
