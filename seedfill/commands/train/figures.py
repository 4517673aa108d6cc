"""`seedfill train speed-up`, `forward-time` and `table`: the paper's Figure 2, and the stages side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sampler.model.devices import wait_passively
from sampler.model.folder import ModelError
from sampler.protocol.paths import default_model_folder
from seedfill.errors import BadInput, CommandError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Picture = Annotated[Path | None, typer.Option("--plot", help="Draw it into this PNG. Needs the `train` extra.")]


def add_commands(app: typer.Typer) -> None:
    """Mount the commands."""
    app.command(epilog="Example: seedfill train speed-up state/policy/log.jsonl --plot docs/training/figure-2a.png")(
        speed_up
    )
    app.command(epilog="Example: seedfill train forward-time --plot docs/training/figure-2b.png")(forward_time)
    app.command(epilog="Example: seedfill train table trunk.json branch.json --plot docs/training/quality-speed.png")(
        table
    )


def speed_up(
    log: Annotated[Path, typer.Argument(help="log.jsonl of a run of `policy` or `policy-smoke`.")],
    plot: Picture = None,
    as_json: Json = False,
) -> None:
    """Speed-up over the course of on-policy training: tokens a step over those at the start, and the pass rate."""
    from seedfill.training.studies import paper_figures

    try:
        points = paper_figures.speed_up(log)
    except (paper_figures.NoFigures, ValueError, KeyError) as error:
        raise BadInput(
            str(error) if isinstance(error, paper_figures.NoFigures) else f"{log} is no log of a run."
        ) from None
    if plot is not None:
        _draw(lambda: paper_figures.plot_speed_up(points, plot))
    _report(
        {
            "speed_up": points[-1][1],
            "pass_rate": points[-1][2],
            "points": [dict(zip(("step", "speed_up", "pass_rate"), point, strict=True)) for point in points],
        },
        as_json,
    )


def forward_time(
    model: Annotated[Path | None, typer.Argument(help="A checkpoint's folder; the shipped one by default.")] = None,
    context: Annotated[int, typer.Option(min=1, help="Cached tokens before the block.")] = 512,
    repeats: Annotated[int, typer.Option(min=1, help="Passes of each size; the median counts.")] = 20,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    plot: Picture = None,
    as_json: Json = False,
) -> None:
    """Time of one forward by block size, 1 to 128, relative to that of a single token."""
    wait_passively()
    from sampler.model import checkpoint, devices
    from seedfill.training.studies import paper_figures

    try:
        chosen = devices.pick_device(device)
        loaded = checkpoint.load(model or default_model_folder(), chosen, devices.pick_dtype(chosen))
    except (devices.NoDevice, ModelError) as error:
        raise BadInput(str(error)) from None
    found = paper_figures.relative_times(paper_figures.forward_times(loaded, context, repeats))
    if plot is not None:
        title = f"One forward on {chosen.type}, {context} tokens of context"
        _draw(lambda: paper_figures.plot_forward_times(found["relative"], plot, title))
    _report({"model": loaded.id, "device": chosen.type, "context": context, **found}, as_json)


def table(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="What `train evaluate --json` printed.")],
    plot: Annotated[Path | None, typer.Option(help="Draw the sweeps into this PNG, a panel each.")] = None,
) -> None:
    """Print a Markdown table with a row for each checkpoint, called as its file."""
    from seedfill.training.studies import stage_table, tradeoff

    try:
        rows = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}
    except (OSError, ValueError) as error:
        raise BadInput(f"A file cannot be read as figures: {error}.") from None
    if not all(isinstance(row, dict) for row in rows.values()):
        raise BadInput("Each file must hold the object that `seedfill train evaluate --json` prints.")
    sweeps = {name: row["sweep"] for name, row in rows.items() if row.get("sweep")}
    if plot is not None and not sweeps:
        raise BadInput(
            "There is no sweep in these files to draw: measure with `seedfill train evaluate --sweep --json`."
        )
    if plot is not None:
        _draw(lambda: tradeoff.plot_tradeoff(sweeps, plot))
    print(stage_table.markdown(rows), end="")


def _draw(draw: Any) -> None:
    try:
        draw()
    except ImportError:
        raise CommandError("Pictures need matplotlib: pip install 'seedfill[train]'.") from None
    except OSError as error:
        raise CommandError(f"The picture could not be written: {error.strerror or error}.") from None


def _report(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures))
        return
    for key, value in figures.items():
        if isinstance(value, dict):
            value = "  ".join(f"{name}: {number:.3g}" for name, number in value.items())
        if key != "points":
            print(f"{key}: {value}")
