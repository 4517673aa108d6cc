"""Pictures of a run's log. Needs matplotlib, which the `train` extra brings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def picture(out: Path, size: tuple[float, float], n_panels: int = 1) -> Iterator[list[Any]]:
    """The panels of a figure, side by side and with a grid, that is written to `out` as a PNG once they are drawn."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, n_panels, figsize=size, layout="constrained", squeeze=False)
    yield list(panels[0])
    for axes in panels[0]:
        axes.grid(alpha=0.3)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def plot_losses(log: Path, out: Path, title: str) -> None:
    """Draw every loss in `log` (JSON lines) over tokens and write a PNG."""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    names = sorted({key for entry in entries for key in entry if key.endswith(("next_token", "masked_plain"))})
    with picture(out, (7, 4)) as (axes,):
        for name in names:
            points = [(entry["tokens"] / 1e6, entry[name]) for entry in entries if name in entry]
            axes.plot(*zip(*points, strict=True), label=name.replace("_", " "), marker="o" if "heldout" in name else "")
        axes.set(xlabel="million tokens", ylabel="nats a token", title=title)
        axes.legend()


def plot_adaptation(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Draw the rows of `seedfill train study adaptation`: bits a byte and edit similarity over a branch's tokens."""
    trunk, names = rows[0], list(dict.fromkeys(row["logits"] for row in rows[1:]))
    kinds = {"-": ("bits_causal", "sequential_edit_similarity"), "--": ("bits_blocks", "parallel_edit_similarity")}
    with picture(out, (10, 4), n_panels=2) as panels:
        for colour, name in enumerate(names):
            own = [row for row in rows if row["logits"] == name]
            for style, keys in kinds.items():
                for axes, key in zip(panels, keys, strict=True):
                    start = [(0, trunk[key])] if trunk.get(key) is not None else []
                    points = start + [(row["tokens"] / 1e3, row[key]) for row in own if row.get(key) is not None]
                    if points[len(start) :]:
                        label = f"{name}, {'token by token' if style == '-' else 'parallel'}"
                        axes.plot(*zip(*points, strict=True), style, color=f"C{colour}", marker="o", label=label)
        panels[0].set(xlabel="thousand tokens of the branch", ylabel="bits a byte", title="Held-out text")
        panels[1].set(xlabel="thousand tokens of the branch", ylabel="edit similarity", title="Rests of lines")
        panels[0].legend(fontsize="small")
