"""A GGUF file as a checkpoint folder: what is read of it once, and its weights, mapped into memory, ever after.

Reading a file's directory takes seconds, since it lists the whole vocabulary. So that is done once, when a model is
pulled, and the folder keeps config.json, tokenizer.json and the places of the tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from sampler.model.gguf_directory import DIRECTORY, read_directory
from sampler.model.gguf_file import config_of, open_gguf, tokenizer_of

Array: TypeAlias = "np.ndarray[Any, Any]"
AT_ONCE = 4 << 20
"""Weights that are dequantised at once."""


def write_folder(folder: Path, path: Path, *, name: str, licence: str, languages: Sequence[str]) -> None:
    """Write beside the file at `path`, which lies in `folder`, what a checkpoint says of itself. Raises ModelError."""
    file = open_gguf(path)
    config = config_of(file) | {"seedfill": {"name": name, "languages": list(languages)}}
    tokenizer_of(file).save(str(folder / "tokenizer.json"))
    template = file.fields.get("tokenizer.chat_template")
    _write(folder / "tokenizer_config.json", {"chat_template": template} if isinstance(template, str) else {})
    _write(folder / DIRECTORY, {"file": path.name, "tensors": _places(file.tensors)})
    (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\n\n# {name}\n", encoding="utf-8")
    _write(folder / "config.json", config)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A tensor's shape, asked for as safetensors' slices are."""

    shape: tuple[int, ...]

    def get_shape(self) -> list[int]:
        return list(self.shape)

    def get_dtype(self) -> str:
        return "F32"


class GgufTensors:
    """The tensors of such a folder, read as an open safetensors file is, dequantised to float32."""

    def __init__(self, folder: Path) -> None:
        directory = read_directory(folder)
        self._path, self._tensors = directory.path, directory.tensors

    def keys(self) -> list[str]:
        """The tensors' names."""
        return list(self._tensors)

    def get_slice(self, name: str) -> _Shape:
        """What is known of a tensor without reading it."""
        return _Shape(tuple(self._tensors[name].shape))

    def get_tensor(self, name: str) -> torch.Tensor:
        """A tensor in float32."""
        return torch.from_numpy(np.concatenate(list(self.rows(name))))

    def rows(self, name: str) -> Iterator[Array]:
        """A tensor in float32, some rows after the others, so that no more than those are in memory."""
        from gguf import GGMLQuantizationType, dequantize

        place = self._tensors[name]
        stored: Array = np.memmap(self._path, np.uint8, "r", place.offset, (place.n_bytes,))  # while it is read
        if place.type in ("F32", "F16"):
            stored = stored.view(np.float32 if place.type == "F32" else np.float16)
        stored, kind = stored.reshape(place.shape[0], -1), GGMLQuantizationType[place.type]
        n_at_once = max(AT_ONCE * len(stored) // math.prod(place.shape), 1)
        for start in range(0, len(stored), n_at_once):
            weights = np.array(dequantize(stored[start : start + n_at_once], kind), dtype=np.float32)
            yield weights.reshape(-1, *place.shape[1:])


def _places(tensors: Any) -> dict[str, dict[str, Any]]:
    """The tensors' places by name. A head that is kept apart from the embedding is the better copy of both."""
    places = {
        name: {
            "type": tensor.tensor_type.name,
            "offset": int(tensor.data_offset),
            "n_bytes": int(tensor.n_bytes),
            "shape": [int(n) for n in reversed(tensor.shape)],
        }
        for name, tensor in tensors.items()
    }
    if "lm_head.weight" in places:
        places["model.embed_tokens.weight"] = places.pop("lm_head.weight")
    return places


def _write(path: Path, body: dict[str, Any]) -> None:
    path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
