"""The engine: one thread that owns the models, their caches and the requests at work.

`Engine(default_model=folder).submit(request, on_event)` returns a ticket that can cancel; `on_event` hears
`Loading* Progress* (InfillResult | Failure)`.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import psutil
import torch

from sampler.engine.job import Job
from sampler.engine.memory import give_back
from sampler.engine.scheduler import CANCELLED, Scheduler, failure, is_out_of_memory
from sampler.engine.turns import Turns
from sampler.model import checkpoint, devices, prepare
from sampler.model.checkpoint import LoadedModel, ModelError
from sampler.protocol.messages import BadMessage, Event, Failure, InfillRequest, Loading
from sampler.protocol.paths import data_folder, default_model_folder

Busy: TypeAlias = frozenset[LoadedModel]

EVICTIONS = 8
"""Context slots that are evicted before memory is given back for them, which takes a while."""
LOADING_STEPS = 20
"""Loading events of one model, at most."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelState:
    """A model the engine knows; `bytes` is the memory it takes while `loaded`."""

    id: str
    bytes: int
    device: str
    dtype: str
    loaded: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineState:
    """What the engine says of itself. `notices` are sentences for a person, such as a move to the CPU."""

    device: str
    models: tuple[ModelState, ...]
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


class Models:
    """Loaded models within a memory budget, least recently used out first. Used by the engine's thread alone."""

    def __init__(self, device: torch.device, budget_bytes: int | None) -> None:
        self.device = device
        self.budget_bytes = budget_bytes or _default_budget(device)
        self.notices: list[str] = []
        self._loaded: OrderedDict[Path, LoadedModel] = OrderedDict()
        self._stamps: dict[Path, checkpoint.Stamp] = {}
        """What the folders' files were when they were read."""

    def get(self, folder: Path, on_progress: checkpoint.OnProgress, busy: Busy) -> LoadedModel:
        """The model of a folder, loaded where necessary; models in `busy` are never dropped."""
        if not self.is_loaded(folder):
            self._loaded.pop(folder, None)
            stamp = checkpoint.stamp(folder)
            self._loaded[folder] = self._load(folder, on_progress, busy)
            self._stamps[folder] = stamp
        self._loaded.move_to_end(folder)
        return self._loaded[folder]

    def is_loaded(self, folder: Path) -> bool:
        """Whether using the folder's model costs no time: it is in memory, and what lies on disk is still the same."""
        return folder in self._loaded and self._stamps.get(folder) == checkpoint.stamp(folder)

    def move_to_cpu(self, folder: Path, on_progress: checkpoint.OnProgress | None = None) -> LoadedModel:
        """Run the folder's model on the CPU from now on, and say so."""
        self._loaded.pop(folder, None)
        if self.device.type != "cpu":
            sentence = f"{folder.name} does not fit on {self.device}: it runs on the CPU."
            _log.warning(sentence)
            self.notices.append(sentence)
        self._stamps[folder] = checkpoint.stamp(folder)
        self._loaded[folder] = prepare.load(folder, torch.device("cpu"), on_progress)
        return self._loaded[folder]

    def list(self) -> tuple[ModelState, ...]:
        """The loaded models."""
        return tuple(
            ModelState(
                id=model.id,
                bytes=model.n_bytes,
                device=str(model.device),
                dtype=str(model.dtype).removeprefix("torch."),
                loaded=True,
            )
            for model in list(self._loaded.values())
        )

    def clear(self, busy: Busy = frozenset()) -> None:
        """Drop every model that is not busy."""
        self._loaded = OrderedDict((path, m) for path, m in self._loaded.items() if m in busy)
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _load(self, folder: Path, on_progress: checkpoint.OnProgress, busy: Busy) -> LoadedModel:
        """Load within the budget; where memory ends all the same, without other models, then on the CPU."""
        self._make_room(checkpoint.memory_needed(folder, devices.pick_dtype(self.device)), folder, busy)
        try:
            return prepare.load(folder, self.device, on_progress)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        self.clear(busy)
        try:
            return prepare.load(folder, self.device, on_progress)
        except Exception as error:
            if not is_out_of_memory(error) or self.device.type == "cpu":
                raise
        return self.move_to_cpu(folder, on_progress)

    def _make_room(self, n_bytes: int, folder: Path, busy: Busy) -> None:
        """Drop models, the longest unused first, until `n_bytes` more fit into the budget."""
        if n_bytes > self.budget_bytes:
            raise ModelError(
                f"{folder.name} needs {n_bytes >> 20} MiB, models may take {self.budget_bytes >> 20} MiB:"
                " choose a smaller model or raise the memory budget."
            )
        for path, model in list(self._loaded.items()):
            if sum(m.n_bytes for m in self._loaded.values()) + n_bytes <= self.budget_bytes:
                return
            if model not in busy:
                del self._loaded[path]
        gc.collect()


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
        self._thread = threading.Thread(target=self._run, name="sampler-engine", daemon=True)
        self._thread.start()

    def submit(self, request: InfillRequest, on_event: Callable[[Event], None]) -> Ticket:
        """Queue a request. `on_event` is called on the engine's thread, last with a result or a failure."""
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
                queue_length=len(self._waiting) + len(self._scheduler.active),
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
        for job in (*self._scheduler.active, *self._waiting):
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
                    or self._waiting
                    or self._scheduler.active
                )
            )
            return not self._is_closing

    def _turn(self) -> None:
        """Take in one of the requests that have come, then one round: reading its context keeps the others waiting."""
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
        """Admit the job; where memory ends, without caches and idle models, then on the CPU."""
        folder = self._folder(job.request.model)
        model = self._model_for(job, folder)
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

    def _model_for(self, job: Job, folder: Path) -> LoadedModel:
        if self._models.is_loaded(folder):
            return self._models.get(folder, _no_progress, self._busy)
        started, told = time.monotonic(), -1
        name = job.request.model or folder.name

        def on_progress(fraction: float) -> None:
            nonlocal told
            step = int(fraction * LOADING_STEPS)
            if step > told:
                told = step
                job.tell(Loading(model=name, fraction=fraction))

        on_progress(0.0)
        model = self._models.get(folder, on_progress, self._busy)
        job.load_s = time.monotonic() - started
        return model

    def _folder(self, name: str | None) -> Path:
        """The folder of a model: the default one, a path, or a name in the user's models."""
        if name is None or name == self._default_id():
            return self._default
        for folder in (data_folder() / "models" / name, Path(name).expanduser()):
            if name and _is_folder(folder):
                return folder
        raise BadMessage(f"There is no model {name[:80]!r}: `seedfill models list` shows those that can be used.")

    def _default_id(self) -> str | None:
        try:
            return checkpoint.model_id(self._default, checkpoint.read_config(self._default))
        except ModelError:
            return None

    @property
    def _busy(self) -> Busy:
        return frozenset(job.model for job in self._scheduler.active if job.model is not None)

    def _fail_active(self, event: Failure) -> None:
        for job in self._scheduler.active:
            job.end(event)
        self._scheduler.active.clear()


def _default_budget(device: torch.device) -> int:
    """Four fifths of a GPU's memory, half of the machine's."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory * 0.8)
    return int(psutil.virtual_memory().total // 2)


def _no_progress(_: float) -> None:
    return None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long for the file system
        return False
