"""Where the server's log goes: standard error and a file that is replaced when it grows large."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from sampler.protocol.paths import PathError, state_folder
from sampler.protocol.private_files import PrivateLog

_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
_MAX_BYTES = 2_000_000


def start_logging(level: str = "info") -> Path | None:
    """Log to standard error and, where the state folder can be written, to a file whose path is given back."""
    logging.captureWarnings(True)
    logging.basicConfig(stream=sys.stderr, format=_FORMAT, force=True)
    set_level(level)
    try:
        path = state_folder() / "log" / "lsp.log"
        handler = PrivateLog(path, maxBytes=_MAX_BYTES, backupCount=2, encoding="utf-8", errors="replace")
    except (OSError, PathError) as error:
        logging.getLogger(__name__).warning("No log file: %s. The log goes to standard error alone.", error)
        return None
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.getLogger().addHandler(handler)
    return path


def set_level(level: str) -> None:
    """Log from `level` up; libraries log whole documents and every request, so they have to be asked for."""
    logging.getLogger().setLevel(level.upper())
    for library in ("pygls", "httpcore"):
        logging.getLogger(library).setLevel("DEBUG" if level == "debug" else "WARNING")
