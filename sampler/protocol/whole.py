"""A file or a folder appears whole or not at all: it is made beside its place, and put there in one step."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STALE_S = 3600.0
"""What was begun so long ago is not being made any more."""


@contextmanager
def whole_file(path: Path, *, mode: int | None = 0o600) -> Iterator[Path]:
    """A file to fill, which then takes `path`'s place; on an error `path` stays as it was.

    It gets `mode`, or with None keeps the one that it was given meanwhile. Raises OSError.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    fresh = Path(name)
    try:
        yield fresh
        if mode is not None:
            fresh.chmod(mode)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which its owner alone enters and which then takes `path`'s place; on an error `path` stays.

    What one that was killed has left is swept up. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=_begun(path)))
    try:
        yield fresh
        if path.exists():
            discard(path)
        fresh.rename(path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def discard(folder: Path) -> None:
    """Delete a folder: from its place at once, so that nobody finds half of it. Raises OSError."""
    aside = tempfile.mkdtemp(dir=folder.parent, prefix=_begun(folder))
    folder.rename(aside)
    shutil.rmtree(aside)


def _sweep(path: Path) -> None:
    for left in path.parent.glob(f"{_begun(path)}*"):
        if time.time() - left.stat().st_mtime > STALE_S:
            shutil.rmtree(left, ignore_errors=True)


def _begun(path: Path) -> str:
    return f".{path.name}."
