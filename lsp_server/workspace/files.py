"""Files of a project are read with care: whoever wrote the project need not be a friend."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_regular(path: Path, max_bytes: int) -> bytes | None:
    """The first `max_bytes` of a regular file; None for anything else: a pipe, a device, a link, nothing at all.

    Reading a pipe would wait for ever, a device would give bytes for ever, and a link leads wherever it likes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # there is none, or a name that no file can have
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(max_bytes)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def real(path: Path) -> Path:
    """Where a path leads, links followed; the path itself where that cannot be told."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path
