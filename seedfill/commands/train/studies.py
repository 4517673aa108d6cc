"""`seedfill train study …`: small studies of how the model is trained, each a table and where it helps a picture.

They read the running Python's standard library, so anybody can repeat them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sampler.model.devices import wait_passively
from seedfill.errors import CommandError

app = typer.Typer(no_args_is_help=True, help="Small studies of how the model is trained; they take minutes.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Corpus = Annotated[
    Literal["stdlib", "codecs"], typer.Option(help="The whole library, or for a smaller network its codecs alone.")
]
TrunkSteps = Annotated[int, typer.Option(min=1, help="Steps that the start takes.")]
BranchSteps = Annotated[int, typer.Option(min=1, help="Steps from there on.")]
Tasks = Annotated[int, typer.Option(min=1, help="Held-out spans.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same figures.")]


@app.command(epilog="Example: seedfill train study adaptation --plot docs/training/adaptation.png")
def adaptation(
    corpus: Corpus = "stdlib",
    trunk_steps: TrunkSteps = 300,
    branch_steps: BranchSteps = 150,
    tasks: Tasks = 30,
    points: Annotated[int, typer.Option(min=1, help="How often a branch is measured.")] = 3,
    seed: Seed = 0,
    plot: Annotated[Path | None, typer.Option(help="Draw it into this PNG. Needs the `train` extra.")] = None,
    as_json: Json = False,
) -> None:
    """What it costs and keeps to adapt a next-token trunk, over the branch's tokens.

    Two branches read a live token's logits at its own position and at the one before; a third goes on as the trunk did.
    """
    from seedfill.training.studies import studies

    size = studies.Size(
        corpus=corpus, trunk_steps=trunk_steps, branch_steps=branch_steps, n_points=points, n_tasks=tasks, seed=seed
    )
    found = _run(studies.study_adaptation, size)
    _report(found, as_json)
    if plot is not None:
        _draw(found, plot)


@app.command(epilog="Example: seedfill train study topology")
def topology(
    corpus: Corpus = "stdlib",
    trunk_steps: TrunkSteps = 200,
    branch_steps: BranchSteps = 100,
    tasks: Tasks = 100,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """A causal context with exact caches against a whole canvas with approximate ones, at equal training cost.

    Cost is tokens through the network in training; tokens_computed is what one fill reads, its context included.
    """
    from seedfill.training.studies import studies
    from seedfill.training.studies.topology import study_topology

    size = studies.Size(corpus=corpus, trunk_steps=trunk_steps, branch_steps=branch_steps, n_tasks=tasks, seed=seed)
    _report(_run(study_topology, size), as_json)


def _run(study: Callable[..., list[dict[str, Any]]], size: object) -> list[dict[str, Any]]:
    """A study in a folder that is thrown away."""
    wait_passively()
    with tempfile.TemporaryDirectory(prefix="seedfill-study-") as folder:
        return study(Path(folder), size, lambda text: print(text, file=sys.stderr, flush=True))


def _draw(found: Sequence[dict[str, Any]], out: Path) -> None:
    from seedfill.training.studies import plots

    try:
        plots.plot_adaptation(found, out)
    except ImportError:
        raise CommandError("Pictures need matplotlib: pip install 'seedfill[train]'.") from None
    except OSError as error:
        raise CommandError(f"The picture could not be written: {error.strerror or error}.") from None


def _report(found: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"rows": found}))
        return
    names = list(dict.fromkeys(name for row in found for name in row))
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in found:
        print(f"| {' | '.join(_cell(row.get(name)) for name in names)} |")


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "–" if value is None else str(value)
