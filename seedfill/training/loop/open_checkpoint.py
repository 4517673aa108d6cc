"""An open checkpoint of the Llama, Qwen or Dream shape as weights to start a recipe from.

Its tokenizer gets the reserved tokens it lacks, behind its own, and the network a row for each; a new row is the mean
of the others, so that it says nothing yet. What is trained from it is exported as a model of our own family: context
causal, live blocks both ways, whatever the original attended to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from tokenizers import AddedToken
from tokenizers import Tokenizer as Bpe
from torch import Tensor

from sampler.model import checkpoint
from sampler.model.backbone import BackboneConfig
from sampler.model.families import seedfill
from sampler.model.folder import ModelError, read_config
from sampler.model.tokenizer import RESERVED, Tokenizer


@dataclass(frozen=True, slots=True)
class OpenCheckpoint:
    """Shape, weights by name and tokenizer, ready for a recipe."""

    network: BackboneConfig
    weights: dict[str, Tensor]
    tokenizer: Tokenizer


def is_open(folder: Path) -> bool:
    """Whether a checkpoint is of another family than ours. Raises ModelError where it is none."""
    declared = read_config(folder).get("architectures") or []
    return not set(declared) & set(seedfill.ARCHITECTURES)


def read_open(folder: Path) -> OpenCheckpoint:
    """Read a checkpoint of another family; raises ModelError with one sentence."""
    backbone = checkpoint.load_backbone(folder)
    tokenizer = _with_reserved(folder / "tokenizer.json")
    n_tokens = max(backbone.config.vocab_size, tokenizer.vocab_size)
    weights = {name: _grown(name, value, n_tokens) for name, value in backbone.named_parameters()}
    return OpenCheckpoint(replace(backbone.config, vocab_size=n_tokens), weights, tokenizer)


def _with_reserved(path: Path) -> Tokenizer:
    if not path.is_file():
        raise ModelError(f"There is no tokenizer at {path}; a checkpoint needs its tokenizer.json.")
    try:
        bpe = Bpe.from_file(str(path))
    except Exception as error:  # the Rust library raises bare Exception
        raise ModelError(f"{path} is not a tokenizer: {error}") from None
    missing = [name for name in RESERVED if bpe.token_to_id(name) is None]
    bpe.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in missing])
    return Tokenizer(bpe)


def _grown(name: str, weight: Tensor, n_tokens: int) -> Tensor:
    """Embedding and head with a row for each token."""
    if name not in ("model.embed_tokens.weight", "lm_head.weight") or len(weight) >= n_tokens:
        return weight.detach()
    new = weight.mean(0, keepdim=True).expand(n_tokens - len(weight), -1)
    return torch.cat([weight, new]).detach()
