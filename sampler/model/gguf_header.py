"""Whether a GGUF file's header claims no more than the file holds, before the `gguf` package believes any of it.

The package makes an object of each number of an array, as many as the header claims.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import BinaryIO

from sampler.model.folder import ModelError

MAX_FIELDS, MAX_TENSORS, MAX_DIMENSIONS = 4_096, 65_536, 4
MAX_ITEMS = 1 << 22
"""Of all arrays: a vocabulary of a million tokens has four million texts, kinds, merges and scores."""
_MAGIC = int.from_bytes(b"GGUF", "little")
_STRING, _ARRAY = 8, 9
_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Of a number, by its kind."""


def check_header(path: Path) -> None:
    """Raise ModelError, with one sentence, for a file that cannot be read as a GGUF file of version 3."""
    if not path.is_file():  # a pipe would be waited for
        raise ModelError(f"{path} cannot be read as a GGUF file: it is no file.")
    try:
        with path.open("rb") as stream:
            _Walk(stream, path).run()
    except (OSError, struct.error, OverflowError) as error:
        raise ModelError(f"{path} cannot be read as a GGUF file ({error}).") from None


class _Walk:
    """Steps over a header, field by field, without keeping any."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._path = stream, path
        self._size = path.stat().st_size
        self._n_items = 0

    def run(self) -> None:
        magic, version = self._read("II")
        if magic != _MAGIC or version != 3:
            raise ModelError(f"{self._path} is no GGUF file of version 3.")
        n_tensors, n_fields = self._read("QQ")
        if n_tensors > MAX_TENSORS or n_fields > MAX_FIELDS:
            raise self._damaged(f"it claims {n_tensors} tensors and {n_fields} fields")
        for _ in range(n_fields):
            self._skip_string()
            self._skip_value(*self._read("I"))
        for _ in range(n_tensors):
            self._tensor()

    def _tensor(self) -> None:
        self._skip_string()
        (n_dimensions,) = self._read("I")
        if not 1 <= n_dimensions <= MAX_DIMENSIONS:
            raise self._damaged(f"a tensor of it has {n_dimensions} dimensions")
        shape = self._read("Q" * n_dimensions)
        _, offset = self._read("IQ")
        if offset > self._size or not 0 < math.prod(shape) <= 8 * self._size:
            raise self._damaged("a tensor of it is longer than the file, or none")

    def _skip_value(self, kind: int) -> None:
        if kind == _STRING:
            self._skip_string()
        elif kind == _ARRAY:
            self._skip_array()
        else:
            self._skip(self._width(kind))

    def _skip_array(self) -> None:
        kind, length = self._read("IQ")
        self._n_items += length
        if self._n_items > MAX_ITEMS:
            raise self._damaged(f"its arrays hold more than {MAX_ITEMS:,} items")
        if kind == _STRING:
            for _ in range(length):
                self._skip_string()
        else:
            self._skip(self._width(kind) * length)

    def _skip_string(self) -> None:
        self._skip(*self._read("Q"))

    def _width(self, kind: int) -> int:
        if kind not in _BYTES:
            raise self._damaged(f"a field of it is of kind {kind}, which there is none of")
        return _BYTES[kind]

    def _skip(self, n_bytes: int) -> None:
        if n_bytes > self._size - self._stream.tell():
            raise self._damaged("a field of it ends behind the file")
        self._stream.seek(n_bytes, 1)

    def _read(self, layout: str) -> tuple[int, ...]:
        layout = "<" + layout
        found: tuple[int, ...] = struct.unpack(layout, self._stream.read(struct.calcsize(layout)))
        return found

    def _damaged(self, what: str) -> ModelError:
        return ModelError(f"{self._path} is damaged: {what}; fetch it again.")
