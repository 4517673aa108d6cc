"""The paper's Figure 2: speed-up over on-policy training (2a), and what a forward costs by block size (2b)."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sampler.model.attention import Packed
from sampler.model.checkpoint import LoadedModel
from sampler.model.kv_cache import KeyValues
from sampler.model.network import Segment
from seedfill.training.studies.plots import picture

BLOCK_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
TOLERATED = 1.5
"""A block is worth its forward as long as that takes at most so much longer than one of a single token."""
SIZE = (6, 3.6)
"""Of a figure, in inches."""


class NoFigures(Exception):
    """There is nothing to draw; the text says why and what to do."""


def speed_up(log: Path, n_smoothed: int = 5) -> list[tuple[int, float, float]]:
    """(step, tokens a step over those at the start, pass rate) from a log of on-policy learning.

    Each is a mean over `n_smoothed` entries. Raises NoFigures where the log holds none.
    """
    entries = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
    entries = [entry for entry in entries if "tokens_per_step" in entry]
    if len(entries) < 2:
        raise NoFigures(f"There is no on-policy learning in {log}; `seedfill train run policy` writes such a log.")
    n = min(n_smoothed, len(entries) // 2)
    windows = [entries[i : i + n] for i in range(len(entries) - n + 1)]
    rates = [statistics.fmean(entry["tokens_per_step"] for entry in window) for window in windows]
    passed = [statistics.fmean(entry["pass_rate"] for entry in window) for window in windows]
    steps = [window[-1]["step"] for window in windows]
    return [(step, rate / rates[0], share) for step, rate, share in zip(steps, rates, passed, strict=True)]


@torch.no_grad()
def forward_times(model: LoadedModel, n_context: int, n_repeats: int = 20) -> dict[int, float]:
    """Median milliseconds of one pass over a live block of each size behind `n_context` cached tokens, logits included.

    Sizes take turns, so that whatever else the machine does falls on all alike.
    """
    passes = {size: _live_pass(model, n_context, size) for size in BLOCK_SIZES}
    times: dict[int, list[float]] = {size: [] for size in BLOCK_SIZES}
    for repeat in range(n_repeats + 2):
        for size, run in passes.items():
            took = _milliseconds(run, model.device)
            if repeat >= 2:  # the first ones warm up
                times[size].append(took)
    return {size: statistics.median(found) for size, found in times.items()}


def relative_times(times: dict[int, float]) -> dict[str, Any]:
    """T(B = b) / T(B = 1) by block size, and the largest block that costs at most half as much again as one token."""
    relative = {size: ms / times[1] for size, ms in times.items()}
    return {
        "ms": {str(size): ms for size, ms in times.items()},
        "relative": {str(size): ratio for size, ratio in relative.items()},
        "largest_block_within_tolerance": max(size for size, ratio in relative.items() if ratio <= TOLERATED),
        "tolerance": TOLERATED,
    }


def plot_speed_up(points: Sequence[tuple[int, float, float]], out: Path) -> None:
    """Figure 2a as a PNG. Needs the `train` extra."""
    steps = [step for step, _, _ in points]
    with picture(out, SIZE) as (axes,):
        axes.set(xlabel="steps of on-policy training", ylabel="ratio, share", title="Speed-up over on-policy training")
        axes.plot(steps, [ratio for _, ratio, _ in points], label="tokens a step, over the start")
        axes.plot(steps, [share for _, _, share in points], label="share that the verifier passes", linestyle="--")
        axes.legend()


def plot_forward_times(relative: dict[str, float], out: Path, title: str) -> None:
    """Figure 2b as a PNG. Needs the `train` extra."""
    with picture(out, SIZE) as (axes,):
        axes.set(xlabel="block size b", ylabel="T(B = b) / T(B = 1)", title=title)
        axes.plot([int(size) for size in relative], list(relative.values()), marker="o")
        axes.axhline(TOLERATED, linestyle=":", color="grey")
        axes.set_xscale("log", base=2)


def _live_pass(model: LoadedModel, n_context: int, size: int) -> Any:
    shape = model.backbone.config
    past = torch.randn(shape.n_layers, shape.n_kv_heads, n_context, shape.head_dim).to(model.device, model.dtype)
    tokens = torch.full((1, size), model.profile.mask_id, device=model.device)
    positions = torch.arange(n_context, n_context + size, device=model.device)[None]

    def run() -> None:
        packed = Packed([Segment(size, (KeyValues(past, past),), False)], model.device)
        model.backbone.logits(model.backbone(tokens, positions, packed)[0])

    return run


def _milliseconds(run: Any, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    run()
    _wait(device)
    return (time.perf_counter() - start) * 1000


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
