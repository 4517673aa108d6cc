"""Print held-out losses of checkpoints, all on the same rows: `python benchmarks/losses.py FOLDER…`.

Needs the corpus. Nats a token: next tokens on the trunk's mix of samples and a branch's, and the masked loss (Eq. 6).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from sampler.model import checkpoint
from sampler.model.backbone import Backbone
from sampler.model.tokenizer import Tokenizer
from seedfill.commands.train.command import default_corpus
from seedfill.training.data import corpus
from seedfill.training.data.samples import SampleSource
from seedfill.training.loop import recipes, runs
from seedfill.training.objectives import stages

SEED = 10_007


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--batches", type=int, default=6, help="of four rows each")
    given = parser.parse_args()
    documents = corpus.read(default_corpus(), "heldout")
    tokenizer = Tokenizer.load(runs.shipped_tokenizer())
    trunk, branch = recipes.trunk(), recipes.branch()
    source, other = SampleSource(documents, tokenizer, trunk.mix), SampleSource(documents, tokenizer, branch.mix)
    measured = [stages.NextToken(trunk, source, source), stages.Masked(branch, other, other)]
    drawn = [[_draw(stage, i) for i in range(given.batches)] for stage in measured]
    table = Table("checkpoint", "next token, trunk's mix", "next token, branch's mix", "masked", title="nats a token")
    for folder in given.folders:
        network = checkpoint.load_backbone(folder)
        on_trunk, on_branch = (_losses(stage, network, rows) for stage, rows in zip(measured, drawn, strict=True))
        figures = on_trunk["next_token"], on_branch["next_token"], on_branch["masked"]
        table.add_row(str(folder), *(f"{figure:.3f}" for figure in figures))
    Console(width=110).print(table)


def _draw(stage: stages.Stage, step: int) -> object:
    return stage.draw(seed=SEED, step=step, own=range(4), held_out=True)


@torch.no_grad()
def _losses(stage: stages.Stage, network: Backbone, batches: list[object]) -> dict[str, float]:
    parts = [stage.parts(network, batch, torch.device("cpu"), 0) for batch in batches]
    return {
        key: sum(float(part.sums[key]) for part in parts) / sum(part.counts[key] for part in parts)
        for key in ("next_token", "masked")
        if key in parts[0].sums
    }


if __name__ == "__main__":
    main()
