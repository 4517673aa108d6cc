"""Weights in training as a model that the sampler runs, and what an exported model says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sampler.model.backbone import Backbone
from sampler.model.checkpoint import LoadedModel, loaded
from sampler.model.families import seedfill
from sampler.model.tokenizer import Tokenizer

MAX_POSITIONS = 1152
"""What an exported model may read at once: a training row, and the holes that stand behind it."""

FACTS: dict[str, Any] = {"layout_version": seedfill.LAYOUT_VERSION, "languages": ["python"], "block_size": 8}
"""What config.json says of the models we train, under "seedfill"."""

OF_A_RUN = ("name", "layout_version", "recipe", "step", "tokens_seen", "averaged")
"""What is said of one run alone; everything else is handed on to what is trained from it."""


def notes(recipe: str, step: int, tokens_seen: int, inherited: Mapping[str, Any]) -> dict[str, Any]:
    """What an exported model says of itself, under "seedfill".

    `inherited` is from the weights that the run started from: entries made by hand (a policy, a floor, presets), which
    are to be measured again, and `tokens_before`, what each earlier recipe had read.
    """
    own = {"name": f"seedfill-{recipe}", "recipe": recipe, "step": step, "tokens_seen": tokens_seen}
    return {**FACTS, **{key: value for key, value in inherited.items() if key not in OF_A_RUN}, **own}


def handed_on(said: Mapping[str, Any], recipe: str) -> dict[str, Any]:
    """What weights that say `said` of themselves hand on to a run of `recipe` that starts from them."""
    kept = {key: value for key, value in said.items() if key not in OF_A_RUN}
    if said.get("recipe") not in (None, recipe):
        kept["tokens_before"] = {**said.get("tokens_before", {}), said["recipe"]: said.get("tokens_seen")}
    return kept


def as_model(backbone: Backbone, tokenizer: Tokenizer) -> LoadedModel:
    """The network as it stands; later updates of its weights are seen."""
    config = {"architectures": seedfill.ARCHITECTURES, "vocab_size": backbone.config.vocab_size, "seedfill": FACTS}
    profile = seedfill.profile(config, tokenizer)
    return loaded("training", backbone, tokenizer, profile, MAX_POSITIONS)
