"""Files of a project or a model are read with care: whoever wrote them need not be a friend."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_regular(path: Path, max_bytes: int, *, follow: bool = False) -> bytes | None:
    """The first `max_bytes` of a regular file; None for anything else: a pipe, a device, a link, nothing at all.

    Reading a pipe would wait for ever, a device would give bytes for ever, and a link leads wherever it likes; `follow`
    it where that is meant, as a cache of models does. Raises OSError where the file is there and may not be read.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # there is none, or a name that no file can have
        return None
    except OSError:
        if path.is_symlink():
            return None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(max_bytes)
    finally:
        os.close(descriptor)


def real(path: Path) -> Path:
    """Where a path leads, links followed; the path itself where that cannot be told."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path
