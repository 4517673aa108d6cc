"""What is counted of suggestions, on this machine alone: shown, accepted, retained, and how long they took.

One small line of numbers an event, without any code, in a file that all windows of this user append to.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from sampler.protocol.private_files import open_private

logger = logging.getLogger(__name__)

Event: TypeAlias = dict[str, Any]

NAME, OLDER = "statistics.jsonl", "statistics.1.jsonl"
MAX_BYTES = 4_000_000
"""Of the file; a full one becomes the older one, and what that held is forgotten."""
RETAINED_SHARE = 0.9
"""Of an accepted text's characters: where so many are still there, it counts as retained."""


class Statistics:
    """Writes events down; `folder` None: nowhere."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def note(self, event: str, **figures: Any) -> None:
        """Append one event; a disk that refuses is complained of once."""
        if self._folder is None:
            return
        try:
            _append(self._folder, {"event": event, "time": round(time.time(), 3), **figures})
        except OSError as error:
            logger.warning("Statistics cannot be written: %s", error)
            self._folder = None


def summary(folder: Path) -> Event:
    """Figures over all that is on file. Rates are fractions, None where there is nothing to divide by."""
    events = list(_events(folder))
    shown, accepted, kept = (_of(events, name) for name in ("shown", "accepted", "kept"))
    n_kept = sum(event["kept"] >= RETAINED_SHARE * event["chars"] for event in kept)
    ms = sorted(event["ms"] for event in shown)
    return {
        "since": min((event["time"] for event in events), default=None),
        "shown": len(shown),
        "accepted": len(accepted),
        "acceptance_rate": _ratio(len(accepted), len(shown)),
        "accepted_chars": _sum(accepted, "chars"),
        "retained": n_kept,
        "retained_rate": _ratio(n_kept, len(kept)),
        "retained_chars_rate": _ratio(_sum(kept, "kept"), _sum(kept, "chars")),
        "ms_p50": percentile(ms, 0.5),
        "ms_p95": percentile(ms, 0.95),
        "languages": {
            language: {"shown": _count(shown, language), "accepted": _count(accepted, language)}
            for language in sorted({event["language"] for event in shown})
        },
    }


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """By linear interpolation between the two nearest of the sorted values."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _append(folder: Path, event: Event) -> None:
    """In one write, so that lines of several windows do not mix."""
    path = folder / NAME
    if path.exists() and path.stat().st_size > MAX_BYTES:
        path.replace(folder / OLDER)
    with open_private(path) as file:
        file.write(json.dumps(event) + "\n")


def _events(folder: Path) -> Iterator[Event]:
    """All events on file, older ones first; a line that is damaged is left out."""
    for name in (OLDER, NAME):
        try:
            lines = (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            continue
        for line in lines:
            event = _event(line)
            if event is not None:
                yield event


_FIELDS = {"shown": ("language", "ms"), "accepted": ("language", "chars"), "kept": ("chars", "kept")}


def _event(line: str) -> Event | None:
    try:
        event = json.loads(line)
        return event if all(name in event for name in ("time", *_FIELDS[event["event"]])) else None
    except (ValueError, TypeError, KeyError):
        return None


def _of(events: Iterable[Event], name: str) -> list[Event]:
    return [event for event in events if event["event"] == name]


def _count(events: Iterable[Event], language: str) -> int:
    return sum(event["language"] == language for event in events)


def _sum(events: Iterable[Event], name: str) -> int:
    return int(sum(event[name] for event in events))


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None
