"""Tiny random checkpoints: everything a real one has, in well under a second."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch

from sampler.model import checkpoint
from sampler.model.backbone import Backbone, BackboneConfig
from sampler.model.tokenizer import Tokenizer
from seedfill.training.data import bpe

LINES = (
    "def add(first, second):\n    return first + second\n\n",
    "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y = y\n\n",
    "for i in range(10):\n    if i % 2 == 0:\n        print(i, 'even')\n    else:\n        continue\n\n",
    "import os\n\n\ndef read(path):\n    with open(path) as file:\n        return file.read()\n",
)


@lru_cache
def tiny_tokenizer(vocab_size: int = 384) -> Tokenizer:
    return bpe.learn(LINES * 2, vocab_size)


def tiny_shape(**changes: Any) -> BackboneConfig:
    return BackboneConfig(
        vocab_size=tiny_tokenizer().vocab_size,
        hidden_size=48,
        intermediate_size=96,
        n_layers=2,
        n_heads=4,
        n_kv_heads=2,
        head_dim=12,
        **{"qk_norm": True, **changes},
    )


def tiny_backbone(seed: int = 0, **changes: Any) -> Backbone:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone = Backbone(tiny_shape(**changes))
        for name, parameter in backbone.named_parameters():
            if parameter.ndim == 2:  # scaled up, so that logits differ by more than rounding does
                torch.nn.init.normal_(parameter, std=0.5 if "embed" in name else 0.3)
            elif name.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.1)
    return backbone.requires_grad_(False).eval()


def make_tiny_model(folder: Path, family: Literal["seedfill", "dream"] = "seedfill", seed: int = 0) -> Path:
    """Write a tiny random checkpoint of the family to `folder` and return it."""
    seedfill = {"block_size": 8, "languages": ["python"], "layout_version": 1}
    shape = {} if family == "seedfill" else {"qk_norm": False, "qkv_bias": True, "tie_embeddings": False}
    backbone, tokenizer = tiny_backbone(seed, **shape), tiny_tokenizer()
    halves = [token for token in range(tokenizer.vocab_size) if not tokenizer.is_whole([token])]
    backbone.lm_head.weight.data[halves] = 0.0  # likeliest never: random weights would break every other character
    checkpoint.save(folder, backbone, tokenizer, max_positions=2048, seedfill=seedfill)
    if family == "dream":
        edit_config(
            folder,
            architectures=["DreamModel"],
            model_type="Dream",
            seedfill=None,
            mask_token_id=tokenizer.id("<mask>"),
            eos_token_id=tokenizer.id("<doc_end>"),
            bos_token_id=tokenizer.id("<spare_0>"),
        )
    return folder


def edit_config(folder: Path, **changes: Any) -> None:
    """Set keys of a checkpoint's config.json; None removes one."""
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
