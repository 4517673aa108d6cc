"""What is installed, what runs, and what to do about anything wrong."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import torch

from sampler.model.devices import pick_device, pick_dtype
from sampler.protocol.handshake import current_identity
from sampler.protocol.paths import PathError, default_model_folder, make_private, obstacle, runtime_folder, state_folder
from seedfill.evaluation.machine import matmul_gflops

if TYPE_CHECKING:
    from sampler.protocol.handshake import Health

PACKAGES = ("seedfill", "torch", "tokenizers", "safetensors", "pygls", "httpcore", "uvicorn", "tree-sitter")


def diagnose(health: Health | None, models: list[dict[str, Any]], model_problems: list[str]) -> dict[str, Any]:
    """Everything `seedfill doctor` tells; `problems` are sentences that say what to do, none when all is well.

    `health` is the running service's report, `models` and `model_problems` what is installed.
    """
    packages = {name: _version(name) for name in PACKAGES}
    device = pick_device()
    rates = {dtype: matmul_gflops(dtype, device.type) for dtype in ("float32", "bfloat16")}
    return {
        "version": packages["seedfill"],
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "device": device.type,
        "dtype": str(pick_dtype(device)).removeprefix("torch."),
        "n_cpus": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "matmul_gflops": rates,
        "service": None if health is None else asdict(health),
        "models": models,
        "languages": sorted({language for model in models for language in model["languages"]}),
        "problems": [
            *(f"{name} is not installed; run `pip install seedfill` again." for name in _missing(packages)),
            *model_problems,
            *_no_model(models, model_problems),
            *(
                f"{model['id']} needs more memory than is free; close something."
                for model in models
                if not model["fits"]
            ),
            *_unused_gpu(device.type),
            *_outdated_service(health),
            *_folders(),
        ],
    }


def hung_process(health: Health | None) -> int | None:
    """The process that is the service though it does not answer; None where it does, or where there is none."""
    from sampler.protocol.client import service_process

    return service_process() if health is None else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _missing(packages: dict[str, str | None]) -> list[str]:
    return [name for name, installed in packages.items() if installed is None]


def _no_model(models: list[dict[str, Any]], model_problems: list[str]) -> list[str]:
    if models or model_problems:
        return []
    return [f"No model is installed: {default_model_folder()} holds none; set SEEDFILL_MODEL to a model's folder."]


def _unused_gpu(device: str) -> list[str]:
    if device != "cpu" or shutil.which("nvidia-smi") is None or torch.version.cuda is not None:
        return []
    return ["There is an NVIDIA driver, but torch is the CPU build; install torch from its CUDA index."]


def _outdated_service(health: Health | None) -> list[str]:
    if health is None or health.identity == current_identity():
        return []
    return ["The running sampler is of another version or model; the next request replaces it."]


def _folders() -> list[str]:
    problems = []
    try:
        make_private(runtime_folder())
    except PathError as error:
        problems.append(str(error))
    if (in_the_way := obstacle(state_folder())) is not None:
        problems.append(f"{in_the_way}, where logs belong, cannot be written; set XDG_STATE_HOME to a folder of yours.")
    return problems
