"""Weights in training as a model that the sampler runs, and what an exported model says of itself."""

from __future__ import annotations

from typing import Any

from sampler.backbone import Backbone
from sampler.checkpoint import LoadedModel, loaded
from sampler.families import seedfill
from sampler.tokenizer import Tokenizer

MAX_POSITIONS = 1152
"""What an exported model may read at once: a training row, and the holes that stand behind it."""

FACTS: dict[str, Any] = {"layout_version": seedfill.LAYOUT_VERSION, "languages": ["python"], "block_size": 8}
"""What config.json says of the models we train, under "seedfill"."""


def as_model(backbone: Backbone, tokenizer: Tokenizer) -> LoadedModel:
    """The network as it stands; later updates of its weights are seen."""
    config = {"architectures": seedfill.ARCHITECTURES, "vocab_size": backbone.config.vocab_size, "seedfill": FACTS}
    profile = seedfill.profile(config, tokenizer)
    return loaded("training", backbone, tokenizer, profile, MAX_POSITIONS)
