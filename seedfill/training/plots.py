"""Pictures of a run's log. Needs matplotlib, which the `train` extra brings."""

from __future__ import annotations

import json
from pathlib import Path


def plot_losses(log: Path, out: Path, title: str) -> None:
    """Draw every loss in `log` (JSON lines) over tokens and write a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    entries = [json.loads(line) for line in log.read_text().splitlines()]
    names = sorted({key for entry in entries for key in entry if key.endswith(("next_token", "masked_plain"))})
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for name in names:
        points = [(entry["tokens"] / 1e6, entry[name]) for entry in entries if name in entry]
        axes.plot(*zip(*points, strict=True), label=name.replace("_", " "), marker="o" if "heldout" in name else "")
    axes.set(xlabel="million tokens", ylabel="nats a token", title=title)
    axes.legend()
    axes.grid(alpha=0.3)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)
