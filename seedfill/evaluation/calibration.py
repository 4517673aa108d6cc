"""How far a model's confidence can be trusted: confidence against truth, and the floor that follows from it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, TypeAlias

from seedfill.errors import BadInput
from seedfill.evaluation.metrics import mean, rate

Point: TypeAlias = tuple[float, bool]
"""The confidence in one answer, 0 to 1, and whether it was right."""

FLOORS = tuple(n / 20 for n in range(20))


def is_very_text(completion: str, gold: str) -> bool:
    """Whether a completion is the gold text; an editor shows but a line where there is room for no more."""
    return (completion if "\n" in gold else completion.partition("\n")[0]) == gold


def measure(points: Sequence[Point], *, n_bins: int = 10, target: float = 0.3) -> dict[str, Any]:
    """A reliability table, what each floor would show, and the lowest floor at which `target` of that is right.

    `calibration_error` is the expected one: |confidence - right|, the mean over the bins by their counts.
    """
    bins = [_bin(points, i / n_bins, (i + 1) / n_bins) for i in range(n_bins)]
    gaps = [row["n"] * abs(row["confidence"] - row["right"]) for row in bins if row["n"]]
    floors = [_above(points, floor) for floor in FLOORS]
    return {
        "n": len(points),
        "right": rate(is_right for _, is_right in points),
        "calibration_error": sum(gaps) / len(points) if points else None,
        "floor": lowest_floor(points, target),
        "target": target,
        "bins": bins,
        "floors": floors,
    }


def lowest_floor(points: Sequence[Point], target: float) -> float | None:
    """The lowest confidence from which on at least `target` of the answers are right; None where there is none.

    Fewer answers than a twentieth of all are too few to go by.
    """
    ordered = sorted(points, reverse=True)
    found, n_right = None, 0
    for n, (confidence, is_right) in enumerate(ordered, start=1):
        n_right += is_right
        is_last_of_its_kind = n == len(ordered) or ordered[n][0] < confidence
        if is_last_of_its_kind and n * 20 >= len(ordered) and n_right >= target * n:
            found = confidence
    return found


def draw(figures: dict[str, Any], title: str) -> bytes:
    """A PNG: how often the model is right over how sure it is, and below it how often it is how sure."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise BadInput("A plot needs matplotlib: pip install 'seedfill[train]', or leave --plot out.") from None
    rows = [row for row in figures["bins"] if row["n"]]
    figure = Figure(figsize=(5, 6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as sure as right")
    above.plot([row["confidence"] for row in rows], [row["right"] for row in rows], marker="o", label="measured")
    if figures["floor"] is not None:
        label = f"floor {figures['floor']:.2f}: {figures['target']:.0%} of what is shown is right"
        above.axvline(figures["floor"], color="tab:red", linestyle="--", label=label)
    above.set(ylabel="share that is right", ylim=(0, 1), title=title)
    above.legend()
    width = figures["bins"][0]["high"] - figures["bins"][0]["low"]
    below.bar([row["low"] for row in rows], [row["n"] for row in rows], width=width, align="edge")
    below.set(xlabel="confidence", ylabel="answers", xlim=(0, 1))
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return png.getvalue()


def _bin(points: Sequence[Point], low: float, high: float) -> dict[str, Any]:
    """The last bin holds 1 as well."""
    inside = [point for point in points if low <= point[0] < high or point[0] == high == 1]
    return {
        "low": low,
        "high": high,
        "n": len(inside),
        "confidence": mean(confidence for confidence, _ in inside),
        "right": rate(is_right for _, is_right in inside),
    }


def _above(points: Sequence[Point], floor: float) -> dict[str, Any]:
    shown = [is_right for confidence, is_right in points if confidence >= floor]
    return {"floor": floor, "shown": len(shown) / len(points) if points else None, "right": rate(shown)}
