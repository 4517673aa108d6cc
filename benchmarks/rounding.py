"""What the CPU's 8 bits cost a pulled model: loss in nats and changed arg-maxes against its file in float32.

python benchmarks/rounding.py --model ID|FOLDER [--windows N] [--tokens N]      text: the standard library of Python
"""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from sampler.model import checkpoint, prepare
from sampler.model.network import Network, Segment
from sampler.model.tokenizer import Tokenizer
from sampler.protocol.paths import models_folder


def windows(tokenizer: Tokenizer, n_windows: int, n_tokens: int) -> Iterator[Tensor]:
    """Token ids (n_tokens,) from the beginnings of as many files."""
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    random.Random(0).shuffle(files)
    for file in files:
        ids = tokenizer.encode(file.read_text(encoding="utf-8", errors="replace")[: 20 * n_tokens])
        if len(ids) >= n_tokens and n_windows > 0:
            n_windows -= 1
            yield torch.tensor(ids[:n_tokens])


def predictions(network: Network, ids: Tensor) -> Tensor:
    """Log-probabilities (N - 1, vocab) of the tokens after each but the last."""
    hidden = network.read(ids, torch.arange(len(ids)), [Segment(len(ids), (), True)]).hidden
    return network.logits(hidden[:-1]).log_softmax(dim=-1)


@torch.inference_mode()
def main(
    model: Annotated[str, typer.Option(help="A pulled model's id, or its folder.")],
    n_windows: Annotated[int, typer.Option("--windows", help="Stretches of text.")] = 16,
    n_tokens: Annotated[int, typer.Option("--tokens", help="Of each.")] = 256,
) -> None:
    """Print the table."""
    folder = next(f for f in (models_folder() / model, Path(model)) if f.is_dir())
    exact, rounded = checkpoint.load(folder), prepare.load_quantised(folder)
    losses: list[tuple[float, float, int]] = []
    changed = 0
    for ids in windows(exact.tokenizer, n_windows, n_tokens):
        both = [predictions(each.network, ids) for each in (exact, rounded)]
        of_next = [found.gather(1, ids[1:, None]).mean().item() for found in both]
        changed += int((both[0].argmax(1) != both[1].argmax(1)).sum())
        losses.append((-of_next[0], -of_next[1], len(ids) - 1))
    n = sum(count for *_, count in losses)
    plain, eight = (sum(row[i] * row[2] for row in losses) / n for i in (0, 1))
    table = Table("tokens", "float32, nats", "8 bits, nats", "loss, nats", "changed arg-maxes")
    table.add_row(f"{n:,}", f"{plain:.4f}", f"{eight:.4f}", f"{eight - plain:+.4f}", f"{changed / n:.1%}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
