"""The engine: one thread that owns the models, their caches and the requests at work.

`Engine(default_model=folder).submit(request, on_event)` returns a ticket that can cancel; `on_event` hears
`Loading* Progress* (InfillResult | Failure)`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sampler.engine.failures import CANCELLED, failure, is_out_of_memory
from sampler.engine.job import Job
from sampler.engine.loader import Abandoned, Load, Loader
from sampler.engine.memory import give_back
from sampler.engine.models import Busy, Models, Read
from sampler.engine.scheduler import Scheduler
from sampler.engine.turns import Turns
from sampler.model import devices
from sampler.model.checkpoint import LoadedModel
from sampler.model.families import model_id
from sampler.model.folder import ModelError, read_config
from sampler.protocol.handshake import ModelHealth
from sampler.protocol.messages import BadMessage, Event, Failure, InfillRequest
from sampler.protocol.paths import default_model_folder, expanded, models_folder

EVICTIONS = 8
"""Context slots that are evicted before memory is given back for them, which takes a while."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineState:
    """What the engine says of itself. `notices` are sentences for a person, such as a move to the CPU."""

    device: str
    models: tuple[ModelHealth, ...]
    queue_length: int
    counters: Mapping[str, float]
    notices: tuple[str, ...] = ()
    slot_bytes: int = 0
    """Memory of what was read of documents."""


class Ticket:
    """A submitted request."""

    def __init__(self, job: Job, wake: Callable[[], None]) -> None:
        self._job = job
        self._wake = wake

    def cancel(self) -> None:
        """Let the request leave at the next control point; nothing happens when it is already over."""
        self._job.cancel()
        self._wake()


class Engine:
    """Answers requests on a thread of its own; every method may be called from any thread."""

    def __init__(
        self,
        *,
        device: str = "auto",
        memory_budget_bytes: int | None = None,
        n_threads: int | None = None,
        default_model: Path | None = None,
    ) -> None:
        devices.limit_threads(n_threads)
        self._models = Models(devices.pick_device(device), memory_budget_bytes)
        self._scheduler = Scheduler()
        self._default = default_model or default_model_folder()
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._must_release = False
        self._closed: set[str] = set()
        """Documents that were closed and may still have context slots."""
        self._turns = Turns()
        self._n_evicted = 0
        """Context slots that had been evicted when memory was last given back."""
        self._loader = Loader(self._wake)
        self._thread = threading.Thread(target=self._run, name="sampler-engine", daemon=True)
        self._thread.start()

    def submit(self, request: InfillRequest, on_event: Callable[[Event], None]) -> Ticket:
        """Queue a request. `on_event` is called on the engine's threads, last with a result or a failure."""
        job = Job(request, on_event)
        with self._changed:
            if not self._is_closing:
                self._waiting.append(job)
                self._changed.notify()
                return Ticket(job, self._wake)
        job.end(Failure(kind="failed", message="The sampler is closing: ask again."))
        return Ticket(job, self._wake)

    def state(self) -> EngineState:
        """A snapshot."""
        with self._changed:
            return EngineState(
                device=str(self._models.device),
                models=self._models.list(),
                queue_length=len(self._waiting) + self._loader.n_waiting + len(self._scheduler.active),
                counters=dict(self._scheduler.counters),
                notices=tuple(self._models.notices),
                slot_bytes=self._scheduler.slot_bytes,
            )

    def forget(self, documents: Iterable[str]) -> None:
        """Let go of what was read of documents, which were closed."""
        with self._changed:
            self._closed.update(documents)
            self._changed.notify()

    def release_idle(self) -> None:
        """Drop models and caches, unless a request is at work."""
        with self._changed:
            self._must_release = True
            self._changed.notify()

    def close(self) -> None:
        """End the thread; requests that are not answered yet fail as cancelled."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        while self._wait_for_work():
            try:
                self._turn()
            except Exception as error:  # nothing a request does may end the thread
                _log.exception("a round failed")
                self._fail_active(failure(error))
        for job in (*self._scheduler.active, *self._waiting, *self._loader.give_up()):
            job.end(CANCELLED)
        self._models.clear()

    def _wait_for_work(self) -> bool:
        """Sleep until there is something to do; False when closing."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._is_closing
                    or self._must_release
                    or self._closed
                    or self._loader.has_news
                    or self._waiting
                    or self._scheduler.active
                )
            )
            return not self._is_closing

    def _turn(self) -> None:
        """Take in one of the requests that have come, then one round: reading its context keeps the others waiting."""
        if (load := self._loader.finished()) is not None:
            self._take_in(load)
        if (job := self._next_waiting()) is not None:
            self._admit(job)
        if self._scheduler.active:
            self._scheduler.round()
        if not (self._scheduler.active or self._waiting):
            self._tidy_up()

    def _tidy_up(self) -> None:
        """Nobody waits: give memory back that was used for what is over."""
        with self._changed:
            closed, self._closed = self._closed, set()
            must_release, self._must_release = self._must_release, False
        if must_release:
            self._models.clear()
            self._scheduler.forget()
        self._scheduler.forget_documents(closed)
        n_evicted = self._scheduler.n_evicted - self._n_evicted
        if must_release or closed or n_evicted >= EVICTIONS:
            self._n_evicted += n_evicted
            give_back()

    def _next_waiting(self) -> Job | None:
        """The request whose turn it is; those that were cancelled meanwhile cost nothing."""
        with self._changed:
            for job in [job for job in self._waiting if job.is_cancelled]:
                self._waiting.remove(job)
                job.end(CANCELLED)
            if not self._waiting:
                return None
            job = self._turns.first(self._waiting)
            self._waiting.remove(job)
            return job

    def _admit(self, job: Job) -> None:
        """Find the job's model and start it; whatever goes wrong is the job's last event."""
        if job.is_cancelled:
            return job.end(CANCELLED)
        try:
            self._start(job)
        except (ModelError, BadMessage) as error:
            job.end(failure(error))
        except Exception as error:
            _log.exception("a request could not be started")
            job.end(failure(error))
        return None

    def _start(self, job: Job) -> None:
        """Admit the job, or let it wait until its model has been read."""
        folder = self._folder(job.request.model)
        if self._models.is_loaded(folder):
            self._admit_to(folder, job)
        elif self._loader.is_reading(folder):
            self._loader.join(folder, job)
        else:
            self._models.make_room_for(folder, self._busy)
            self._loader.begin(folder, job, lambda on_progress: self._models.read(folder, on_progress))

    def _take_in(self, load: Load) -> None:
        """Keep a model that has been read; those who waited for it are next, or told why it cannot be had."""
        try:
            self._keep(load)
        except Exception as error:
            if not isinstance(error, ModelError | Abandoned):
                _log.exception("a model could not be loaded")
            for job in load.jobs:
                job.end(CANCELLED if isinstance(error, Abandoned) else failure(error))
            return
        now = time.monotonic()
        for job in load.jobs:
            job.load_s = now - max(load.started, job.received)
        with self._changed:
            self._waiting.extendleft(reversed(load.jobs))

    def _keep(self, load: Load) -> None:
        """Keep what was read; raises why it could not be."""
        if isinstance(load.outcome, Read):
            self._models.keep(load.folder, load.outcome)
        elif load.outcome is not None and is_out_of_memory(load.outcome):
            self._models.load_after_all(load.folder, self._busy)
        elif load.outcome is not None:
            raise load.outcome

    def _admit_to(self, folder: Path, job: Job) -> None:
        """Admit the job; where memory ends, without caches and idle models, then on the CPU."""
        model = self._models.get(folder)
        relief: list[Callable[[], LoadedModel]] = [
            lambda: self._make_way(model),
            lambda: self._models.move_to_cpu(folder),
        ]
        while True:
            try:
                return self._scheduler.admit(job, model)
            except Exception as error:
                if not is_out_of_memory(error) or not relief:
                    raise
            model = relief.pop(0)()

    def _make_way(self, model: LoadedModel) -> LoadedModel:
        self._scheduler.forget()
        self._models.clear(self._busy | {model})
        return model

    def _folder(self, name: str | None) -> Path:
        """The folder of a model: the default one, a path, or a name in the user's models."""
        if name is None or name == self._default_id():
            return self._default
        for folder in (models_folder() / name, expanded(name)):
            if name and _is_folder(folder):
                return folder
        raise BadMessage(f"There is no model {name[:80]!r}: `seedfill models list` shows those that can be used.")

    def _default_id(self) -> str | None:
        try:
            return model_id(self._default, read_config(self._default))
        except ModelError:
            return None

    @property
    def _busy(self) -> Busy:
        return frozenset(job.model for job in self._scheduler.active if job.model is not None)

    def _fail_active(self, event: Failure) -> None:
        for job in self._scheduler.active:
            job.end(event)
        self._scheduler.active.clear()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long for the file system
        return False
