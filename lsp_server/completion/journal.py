"""The record of the last request: in memory for this window, on disk for `seedfill explain`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from lsp_server.completion.record import Record
from sampler.protocol.whole import whole_file

logger = logging.getLogger(__name__)

NAME = "last-request.json"


class Journal:
    """Keeps the last record; `folder` None keeps it in memory alone."""

    def __init__(self, folder: Path | None) -> None:
        self.last: Record | None = None
        self._folder = folder

    def keep(self, record: Record) -> None:
        """Take note of a request that was answered; one that a newer one superseded explains nothing."""
        if record.outcome.kind == "superseded":
            return
        self.last, outcome = record, record.outcome
        logger.debug("%s: %s %s", outcome.kind, outcome.reason, outcome.texts[:1])
        if self._folder is not None:
            try:
                self._write(self._folder, json.dumps(record.to_json()))
            except OSError as error:
                logger.warning("The last request cannot be written down for `seedfill explain`: %s", error)
                self._folder = None

    def _write(self, folder: Path, text: str) -> None:
        """Write in one step, readable by its owner alone: it holds code."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(folder / NAME) as fresh:
            fresh.write_text(text, encoding="utf-8")


def last_record(folder: Path) -> dict[str, Any] | None:
    """The last request of any window, as `Record.to_json` gives it; None where there was none yet. Raises OSError."""
    try:
        body = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return body if isinstance(body, dict) else None
