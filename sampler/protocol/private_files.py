"""What is kept of a person's work, such as logs and counts, is read by nobody else."""

from __future__ import annotations

import os
import stat
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO


def open_private(path: Path) -> TextIO:
    """Open a file to append to, which its owner alone reads, in folders that nobody else enters; raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
        os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "a", encoding="utf-8", errors="replace")


class PrivateLog(RotatingFileHandler):
    """A rotating log that its owner alone reads."""

    def _open(self) -> Any:
        return open_private(Path(self.baseFilename))
