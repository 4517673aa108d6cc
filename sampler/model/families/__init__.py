"""Checkpoint families: one file each, facts as data.

To add one, write a module with `ARCHITECTURES` and `profile(config, vocabulary)` and list both in `PROFILES`.
"""

from __future__ import annotations

from collections.abc import Callable

from sampler.model.families import dream, qwen_coder, seedfill
from sampler.model.families.profile import (
    MAX_CONFIG_BYTES,
    MAX_NAME,
    Config,
    FamilyProfile,
    UnknownFamily,
    Vocabulary,
    model_id,
    token_ids,
)

PROFILES: dict[str, Callable[[Config, Vocabulary], FamilyProfile]] = {
    **dict.fromkeys(seedfill.ARCHITECTURES, seedfill.profile),
    **dict.fromkeys(dream.ARCHITECTURES, dream.profile),
    **dict.fromkeys(qwen_coder.ARCHITECTURES, qwen_coder.profile),
}
"""How to describe a checkpoint, by the architecture it declares."""

__all__ = [
    "MAX_CONFIG_BYTES",
    "PROFILES",
    "Config",
    "FamilyProfile",
    "UnknownFamily",
    "Vocabulary",
    "model_id",
    "recognise",
]


def recognise(config: Config, vocabulary: Vocabulary) -> FamilyProfile:
    """The profile of a checkpoint, by the architecture it declares and its special tokens.

    Raises UnknownFamily with one sentence for any other checkpoint, and for one whose files contradict each other.
    """
    declared = config.get("architectures")
    names = [str(name) for name in declared] if isinstance(declared, list) else []
    for name in names:
        if name in PROFILES:
            return _checked(PROFILES[name](config, vocabulary), vocabulary)
    said = f"declares {', '.join(names)[:MAX_NAME]}" if names else "declares no architecture"
    raise UnknownFamily(f"The checkpoint {said}; the sampler runs {', '.join(PROFILES)}.")


def _checked(profile: FamilyProfile, vocabulary: Vocabulary) -> FamilyProfile:
    """The profile, whose tokens there are; raises UnknownFamily."""
    for token in token_ids(profile):
        if not 0 <= token < vocabulary.vocab_size:
            raise UnknownFamily(f"config.json names token {token}; the tokenizer has {vocabulary.vocab_size}.")
    return profile
