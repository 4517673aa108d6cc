"""A model as the service holds it: in the device's own number format, its products joined, on a CPU also packed."""

from __future__ import annotations

from pathlib import Path

import torch

from sampler.model import checkpoint
from sampler.model.checkpoint import LoadedModel, OnProgress
from sampler.model.devices import pick_dtype
from sampler.model.joining import join
from sampler.model.packing import pack


def load(folder: Path, device: torch.device, on_progress: OnProgress | None = None) -> LoadedModel:
    """The folder's model, ready to sample, no more to be trained or saved. Raises ModelError."""
    model = checkpoint.load(folder, device, pick_dtype(device), on_progress)
    join(model.backbone)
    if device.type == "cpu":
        pack(model.backbone)
    return model
