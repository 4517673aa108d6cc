"""Loaded models within a memory budget: which are there, which goes when another comes, and where they run."""

from __future__ import annotations

import gc
import logging
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple, TypeAlias

import psutil
import torch

from sampler.engine.failures import is_out_of_memory
from sampler.model import checkpoint, devices, prepare
from sampler.model.checkpoint import LoadedModel
from sampler.model.folder import ModelError
from sampler.protocol.handshake import ModelHealth

Busy: TypeAlias = frozenset[LoadedModel]

_log = logging.getLogger(__name__)


class Read(NamedTuple):
    """A model that was read from a folder, and what the folder's files were then."""

    model: LoadedModel
    stamp: checkpoint.Stamp


class Models:
    """Loaded models within a memory budget, least recently used out first. Used by the engine's thread alone."""

    def __init__(self, device: torch.device, budget_bytes: int | None) -> None:
        self.device = device
        self.budget_bytes = budget_bytes or _default_budget(device)
        self.notices: list[str] = []
        self._loaded: OrderedDict[Path, Read] = OrderedDict()

    def get(self, folder: Path) -> LoadedModel:
        """The model of a folder, which is loaded."""
        self._loaded.move_to_end(folder)
        return self._loaded[folder].model

    def is_loaded(self, folder: Path) -> bool:
        """Whether using the folder's model costs no time: it is in memory, and what lies on disk is still the same."""
        return folder in self._loaded and self._loaded[folder].stamp == checkpoint.stamp(folder)

    def move_to_cpu(self, folder: Path, on_progress: checkpoint.OnProgress | None = None) -> LoadedModel:
        """Run the folder's model on the CPU from now on, and say so."""
        self._loaded.pop(folder, None)
        if self.device.type != "cpu":
            sentence = f"{folder.name} does not fit on {self.device}: it runs on the CPU."
            _log.warning(sentence)
            self.notices.append(sentence)
        self._loaded[folder] = read = _read(folder, torch.device("cpu"), on_progress)
        return read.model

    def list(self) -> tuple[ModelHealth, ...]:
        """The loaded models."""
        return tuple(
            ModelHealth(
                id=model.id,
                bytes=model.n_bytes,
                device=str(model.device),
                dtype=str(model.dtype).removeprefix("torch."),
                loaded=True,
            )
            for model, _ in list(self._loaded.values())
        )

    def clear(self, busy: Busy = frozenset()) -> None:
        """Drop every model that is not busy."""
        self._loaded = OrderedDict((path, read) for path, read in self._loaded.items() if read.model in busy)
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def make_room_for(self, folder: Path, busy: Busy) -> None:
        """Drop what is in the way of the folder's model; raises ModelError where it can never fit."""
        self._loaded.pop(folder, None)  # as it was before its files changed
        self._make_room(checkpoint.memory_needed(folder, devices.pick_dtype(self.device)), folder, busy)

    def read(self, folder: Path, on_progress: checkpoint.OnProgress) -> Read:
        """Read the folder's model without keeping it, on any thread. Raises ModelError, or torch's own errors."""
        return _read(folder, self.device, on_progress)

    def keep(self, folder: Path, read: Read) -> None:
        """Take in a model that was read."""
        self._loaded[folder] = read

    def load_after_all(self, folder: Path, busy: Busy) -> None:
        """Memory ended: load without other models, then on the CPU."""
        self.clear(busy)
        try:
            self.keep(folder, self.read(folder, _no_progress))
        except Exception as error:
            if not is_out_of_memory(error) or self.device.type == "cpu":
                raise
            self.move_to_cpu(folder)

    def _make_room(self, n_bytes: int, folder: Path, busy: Busy) -> None:
        """Drop models, the longest unused first, until `n_bytes` more fit into the budget."""
        if n_bytes > self.budget_bytes:
            raise ModelError(
                f"{folder.name} needs {n_bytes >> 20} MiB, models may take {self.budget_bytes >> 20} MiB:"
                " choose a smaller model or raise the memory budget."
            )
        for path, (model, _) in list(self._loaded.items()):
            if sum(read.model.n_bytes for read in self._loaded.values()) + n_bytes <= self.budget_bytes:
                return
            if model not in busy:
                del self._loaded[path]
        gc.collect()


def _read(folder: Path, device: torch.device, on_progress: checkpoint.OnProgress | None) -> Read:
    """The stamp is taken first: files that change meanwhile are then read again."""
    stamp = checkpoint.stamp(folder)
    return Read(prepare.load(folder, device, on_progress), stamp)


def _default_budget(device: torch.device) -> int:
    """Four fifths of a GPU's memory, half of the machine's."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory * 0.8)
    return int(psutil.virtual_memory().total // 2)


def _no_progress(_: float) -> None:
    return None
