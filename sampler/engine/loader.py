"""Models are read from disk beside the engine's thread: whoever uses another one does not wait for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sampler.engine.job import Job
from sampler.engine.models import Read
from sampler.model.checkpoint import OnProgress
from sampler.protocol.messages import Loading

LOADING_STEPS = 20
"""Loading events of one model, at most."""


class Abandoned(Exception):
    """Nobody waits for the model any more."""


@dataclass(slots=True, eq=False)
class Load:
    """A model that is being read, who waits for it, and what became of it."""

    folder: Path
    jobs: list[Job]
    started: float = field(default_factory=time.monotonic)
    outcome: Read | Exception | None = None
    told: int = -1

    def on_progress(self, fraction: float) -> None:
        """Tell whoever waits; raises Abandoned where nobody does."""
        step = int(fraction * LOADING_STEPS)
        if all(job.is_cancelled for job in self.jobs):
            raise Abandoned
        if step > self.told:
            self.told = step
            for job in list(self.jobs):
                job.tell(Loading(model=job.request.model or self.folder.name, fraction=fraction))


class Loader:
    """What is being read. `wake` is called, on another thread, when a model has been; all else is the engine's."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._under_way: dict[Path, Load] = {}
        self._finished: deque[Load] = deque()

    @property
    def n_waiting(self) -> int:
        """How many requests wait for a model."""
        return sum(len(load.jobs) for load in list(self._under_way.values()))

    @property
    def has_news(self) -> bool:
        """Whether a model has been read, or could not be."""
        return bool(self._finished)

    def is_reading(self, folder: Path) -> bool:
        """Whether the folder's model is on its way."""
        return folder in self._under_way

    def join(self, folder: Path, job: Job) -> None:
        """Let one more request wait for a model that is on its way."""
        self._under_way[folder].jobs.append(job)

    def begin(self, folder: Path, job: Job, read: Callable[[OnProgress], Read]) -> None:
        """Read a model for `job`."""
        load = self._under_way[folder] = Load(folder, [job])
        threading.Thread(target=self._run, args=(load, read), name="sampler-loader", daemon=True).start()

    def finished(self) -> Load | None:
        """A model that has been read, or could not be, with those who wait for it; each comes once."""
        if not self._finished:
            return None
        load = self._finished.popleft()
        del self._under_way[load.folder]
        return load

    def give_up(self) -> list[Job]:
        """Those who wait for models, when the engine ends."""
        return [job for load in self._under_way.values() for job in load.jobs]

    def _run(self, load: Load, read: Callable[[OnProgress], Read]) -> None:
        try:
            load.on_progress(0.0)
            load.outcome = read(load.on_progress)
        except Exception as error:  # the engine puts it into words
            load.outcome = error
        self._finished.append(load)
        self._wake()
