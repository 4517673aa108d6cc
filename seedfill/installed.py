"""The models that are installed, read from their folders without loading them (and without torch)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors import safe_open

from sampler.model.families import FamilyProfile, UnknownFamily, model_id, recognise
from sampler.model.folder import ModelError, read_config
from sampler.model.gguf_directory import is_gguf_folder, read_directory
from sampler.model.tokenizer import Tokenizer
from sampler.protocol.paths import default_model_folder, user_models
from sampler.protocol.regular_files import read_regular

MAX_CARD_BYTES = 64 << 10


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
    """Describe a model folder; raises ModelError."""
    return _read(folder)[0]


def check_folder(folder: Path) -> dict[str, Any]:
    """What a checkpoint is, by its own files; raises ModelError where it cannot be used."""
    from sampler.model import checkpoint

    model, profile = _read(folder)
    about = checkpoint.describe(folder)
    with checkpoint.outline(folder):
        pass
    return {
        "family": profile.name,
        "parameters": model.parameters,
        "bytes": model.bytes,
        "layout": profile.layout,
        "mask_id": profile.mask_id,
        "block_size": profile.block_size,
        "context_length": about.max_positions,
        "languages": list(profile.languages),
        "complaints": [] if model.licence else ["its README.md names no licence"],
    }


def _read(folder: Path) -> tuple[InstalledModel, FamilyProfile]:
    """(what a folder says of itself, its family's facts); raises ModelError."""
    config = read_config(folder)
    try:
        profile = recognise(config, Tokenizer.load(folder / "tokenizer.json"))
        n_weights, n_bytes = _size(folder)
        licence = _licence(folder / "README.md")
    except UnknownFamily as error:
        raise ModelError(f"{folder} is not a model that can be used: {error}") from None
    except ModelError:
        raise
    except Exception as error:  # whatever a stranger's files may bring about is about this one model
        raise ModelError(f"{folder} is damaged ({error}); fetch the model again.") from None
    model = InstalledModel(
        id=model_id(folder, config),
        folder=folder,
        licence=licence,
        parameters=n_weights,
        bytes=n_bytes,
        languages=profile.languages,
    )
    return model, profile


def _size(folder: Path) -> tuple[int, int]:
    """(weights, bytes of their files); raises ModelError where there are none."""
    if is_gguf_folder(folder):
        directory = read_directory(folder)
        return sum(prod(place.shape) for place in directory.tensors.values()), directory.path.stat().st_size
    files = [file for file in sorted(folder.glob("*.safetensors")) if file.is_file()]
    if not files:
        raise ModelError(f"{folder} holds no weights; fetch the model again.")
    return sum(map(prod, _shapes(files))), sum(file.stat().st_size for file in files)


def _shapes(files: Iterable[Path]) -> Iterator[tuple[int, ...]]:
    for file in files:
        with safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118  (an open file, not a dict)
                yield tuple(tensors.get_slice(name).get_shape())


def _licence(card: Path) -> str | None:
    """The licence that the model card's first lines name."""
    head = read_regular(card, MAX_CARD_BYTES, follow=True) or b""
    match = re.search(r"^license: *(\S{1,40})", head.decode("utf-8", "replace"), re.MULTILINE)
    return match[1] if match and match[1].isprintable() else None
