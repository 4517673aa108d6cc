"""Quality against speed: exact match over tokens per forward, for thresholds, block sizes and policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seedfill.training.studies.plots import picture

THRESHOLDS = (0.5, 0.7, 0.9)
TOLERANCE = 0.01
"""Exact match that may be lost for speed."""


def settings(block_sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Token by token, drafts from the row, drafts of masks, both in one pass, and by confidence at every threshold.

    A block of one knows no threshold.
    """
    yield {"policy": "sequential"}
    yield {"policy": "lookup"}
    for size in (size for size in block_sizes if size > 1):
        yield {"policy": "verified", "block_size": size}
        yield {"policy": "fused", "block_size": size}
    for size in block_sizes:
        for threshold in THRESHOLDS if size > 1 else THRESHOLDS[-1:]:
            yield {"policy": "threshold", "block_size": size, "threshold": threshold}


def best_at_equal_quality(points: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The fastest point that loses at most `TOLERANCE` against blocks of one (else against token by token)."""
    base = next((p for p in points if p.get("block_size") == 1), None)
    base = base or next((p for p in points if p["policy"] == "sequential"), None)
    if base is None:
        return None
    good = [p for p in points if p["exact_match"] >= base["exact_match"] - TOLERANCE and p["tokens_per_forward"]]
    return max(good, key=lambda point: float(point["tokens_per_forward"]), default=None)


def plot_tradeoff(sweeps: Mapping[str, Sequence[dict[str, Any]]], out: Path) -> None:
    """Draw each checkpoint's points in a panel, a line for each block size and policy. Needs the `train` extra."""
    reach = {
        key: 1.1 * max(point[key] or 0.0 for points in sweeps.values() for point in points) or None
        for key in ("tokens_per_forward", "exact_match")
    }
    with picture(out, (2 + 4 * len(sweeps), 4), n_panels=len(sweeps)) as panels:
        for axes, (title, points) in zip(panels, sweeps.items(), strict=True):
            for name, own in _curves(points).items():
                along = [(point["tokens_per_forward"] or 0.0, point["exact_match"]) for point in own]
                axes.plot(*zip(*along, strict=True), label=name, marker="o" if name.startswith("blocks") else "s")
            axes.set(xlabel="tokens per forward", ylabel="exact match", title=title)
            axes.set(xlim=(0, reach["tokens_per_forward"]), ylim=(0, reach["exact_match"]))
        panels[-1].legend(fontsize="small")


def _curves(points: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    curves: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        by_confidence = point["policy"] == "threshold"
        curves.setdefault(f"blocks of {point['block_size']}" if by_confidence else point["policy"], []).append(point)
    return curves
