"""The mean of several checkpoints' weights: one network, often better than each of those it is made of.

Weights that come from one run, or from branches of one, lie in the same valley; each is off its floor by the noise of
its last steps, and a mean takes that noise out without the steps that a decay costs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from sampler.model import checkpoint
from sampler.model.folder import read_config
from sampler.model.tokenizer import Tokenizer
from seedfill.training.loop.own_model import MAX_POSITIONS


class BadAverage(ValueError):
    """Weights that cannot be averaged; the text is one sentence for a person."""


def average(folders: Sequence[Path], shares: Sequence[float], out: Path) -> dict[str, Any]:
    """Write the mean of the checkpoints in `folders`, each counting its share of the sum of `shares`, into `out`.

    What the first says of itself is said of the mean, with each part's share. Raises BadAverage or ModelError.
    """
    if len(folders) != len(shares) or min(shares, default=0.0) <= 0:
        raise BadAverage("Every checkpoint needs a share above 0: give --share as often as folders, or not at all.")
    tokenizers = {(folder / "tokenizer.json").read_bytes() for folder in folders}
    networks = [checkpoint.load_backbone(folder) for folder in folders]
    if len(tokenizers) > 1 or len({network.config for network in networks}) > 1:
        raise BadAverage("The checkpoints differ in shape or tokenizer, so their weights have no mean.")
    mean, parts = networks[0], [dict(network.named_parameters()) for network in networks]
    with torch.no_grad():
        for name, weight in mean.named_parameters():
            stacked = torch.stack([part[name] for part in parts])
            weight.copy_(torch.einsum("n,n...->...", torch.tensor(shares) / sum(shares), stacked))
    said = dict(read_config(folders[0])["seedfill"])
    said["averaged"] = _shares(map(_label, folders), shares)
    tokenizer = Tokenizer.load(folders[0] / "tokenizer.json")
    checkpoint.save(out, mean, tokenizer, max_positions=MAX_POSITIONS, dtype=torch.bfloat16, seedfill=said)
    return {"folder": str(out), "averaged": said["averaged"]}


def _shares(labels: Iterable[str], shares: Sequence[float]) -> dict[str, float]:
    """Each label's part of the whole; branches of one recipe may have the same."""
    found: dict[str, float] = defaultdict(float)
    for label, share in zip(labels, shares, strict=True):
        found[label] += share / sum(shares)
    return {label: round(share, 3) for label, share in found.items()}


def _label(folder: Path) -> str:
    """The recipe and step that a checkpoint comes from."""
    said = read_config(folder).get("seedfill", {})
    return f"{said.get('recipe', folder.name)} {said.get('step', '')}".strip()
