"""Training state on disk: weights, their mean, optimiser moments and the step, in safetensors, written atomically.

A state is one file, `step-NNNNNNNN.safetensors`; the newest two are kept. Nothing is unpickled. The data order needs
no state: rows are drawn from (seed, step, row).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sampler.protocol.whole import whole_file
from seedfill.training.loop.ema import RunningMean

Optimisers = list[torch.optim.Optimizer]


class StateError(Exception):
    """A state that cannot be written or read; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Saved:
    """How far a run has come, what the weights it started from said of themselves, and the mean of its weights."""

    step: int
    tokens_seen: int | None
    """None in states from before it was counted."""
    inherited: dict[str, Any]
    mean: RunningMean = field(default_factory=RunningMean)


def save(folder: Path, saved: Saved, weights: dict[str, nn.Parameter], optimisers: Optimisers) -> Path:
    """Write a state and drop all but the newest two. A full disk leaves the older states untouched."""
    step = saved.step
    tensors = {f"weights/{name}": weight.detach() for name, weight in weights.items()}
    tensors |= {f"mean/{name}": tensor for name, tensor in saved.mean.tensors.items()}
    tensors |= {key: value for key, value in _moments(weights, optimisers).items()}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:08}.safetensors"
    try:
        with whole_file(path) as fresh:
            save_file({key: value.contiguous().cpu() for key, value in tensors.items()}, fresh, _metadata(saved))
    except (OSError, SafetensorError) as error:
        raise StateError(f"The state of step {step} could not be written to {folder}: {error}.") from None
    for old in _files(folder)[:-2]:
        old.unlink()
    return path


def load_newest(folder: Path, weights: dict[str, nn.Parameter], optimisers: Optimisers) -> Saved | None:
    """Load the newest readable state into weights and optimisers; returns None where there is none."""
    for path in reversed(_files(folder)):
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                saved = _saved(file.metadata())
        except (OSError, SafetensorError):
            continue  # damaged: the one before it is whole
        saved.mean.tensors |= {name: tensors.pop(f"mean/{name}") for name in weights if f"mean/{name}" in tensors}
        _restore(tensors, weights, optimisers, path)
        return saved
    return None


def _metadata(saved: Saved) -> dict[str, str]:
    """safetensors keeps strings."""
    return {
        "step": str(saved.step),
        "tokens_seen": json.dumps(saved.tokens_seen),
        "inherited": json.dumps(saved.inherited),
        "mean_steps": str(saved.mean.n_steps),
    }


def _saved(metadata: dict[str, str]) -> Saved:
    return Saved(
        step=int(metadata["step"]),
        tokens_seen=json.loads(metadata.get("tokens_seen", "null")),
        inherited=json.loads(metadata.get("inherited", "{}")),
        mean=RunningMean(int(metadata.get("mean_steps", "0"))),
    )


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.safetensors"))


def _moments(weights: dict[str, nn.Parameter], optimisers: Optimisers) -> dict[str, Tensor]:
    names: dict[Tensor, str] = {weight: name for name, weight in weights.items()}
    found: dict[str, Tensor] = {}
    for optimiser in optimisers:
        for parameter, moments in optimiser.state.items():
            found |= {f"{key}/{names[parameter]}": value for key, value in moments.items()}
    return found


def _restore(tensors: dict[str, Tensor], weights: dict[str, nn.Parameter], optimisers: Optimisers, path: Path) -> None:
    of_parameter: dict[nn.Parameter, dict[str, Any]] = {p: {} for o in optimisers for p in _parameters(o)}
    for key, value in tensors.items():
        kind, name = key.split("/", 1)
        if name not in weights or (kind == "weights" and weights[name].shape != value.shape):
            raise StateError(f"{path} belongs to another recipe: {name} does not fit. Move it away to start afresh.")
        if kind == "weights":
            weights[name].data.copy_(value)
        else:
            of_parameter[weights[name]][kind] = value.to(weights[name].device) if value.ndim else value
    for optimiser in optimisers:
        for parameter in _parameters(optimiser):
            if of_parameter[parameter]:
                optimiser.state[parameter] = of_parameter[parameter]


def _parameters(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
