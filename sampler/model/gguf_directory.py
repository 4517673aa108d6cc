"""The file of a pulled model's folder that says where its tensors lie in the GGUF file beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from sampler.model.families import MAX_CONFIG_BYTES
from sampler.model.folder import ModelError, read_object
from sampler.model.gguf_header import MAX_DIMENSIONS

DIRECTORY = "tensors.json"
READ_TYPES = ("F32", "F16", "BF16", "Q4_K", "Q5_0", "Q6_K", "Q8_0")
"""Tensor types that are read: those of the files in the catalogue, and plain floats."""


def is_gguf_folder(folder: Path) -> bool:
    """Whether the weights of a checkpoint folder lie in a GGUF file."""
    return (folder / DIRECTORY).is_file()


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a tensor lies in the file, and how it is stored."""

    type: str
    offset: int
    n_bytes: int
    shape: list[int]

    def is_within(self, size: int) -> bool:
        """Whether that is a place in a file of `size` bytes, and as long as the shape makes it."""
        if self.type not in READ_TYPES or not self._is_shape() or type(self.offset) is not int or self.offset < 0:
            return False
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        per_block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[self.type]]
        n_weights = math.prod(self.shape)
        n_bytes = n_weights // per_block * block_bytes
        return self.shape[-1] % per_block == 0 and self.n_bytes == n_bytes and self.offset + n_bytes <= size

    def _is_shape(self) -> bool:
        lengths = self.shape if isinstance(self.shape, list) else []
        return 1 <= len(lengths) <= MAX_DIMENSIONS and all(type(n) is int and n > 0 for n in lengths)


@dataclass(frozen=True, slots=True)
class Directory:
    """The GGUF file of a folder, and where in it the tensors lie."""

    path: Path
    tensors: dict[str, Place]


def read_directory(folder: Path) -> Directory:
    """Read tensors.json; raises ModelError where it does not fit the file, which is not read."""
    said = read_object(folder, DIRECTORY, MAX_CONFIG_BYTES)
    try:
        path = folder / Path(said["file"]).name
        tensors = {name: Place(**place) for name, place in said["tensors"].items()}
        n_bytes = path.stat().st_size if path.is_file() else 0
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{folder} is damaged ({type(error).__name__}): pull the model again.") from None
    lost = next((name for name, place in tensors.items() if not place.is_within(n_bytes)), None)
    if lost is not None or not n_bytes:
        raise ModelError(f"{path} is damaged: {lost or 'all'} is not where it should be; pull the model again.")
    return Directory(path, tensors)
