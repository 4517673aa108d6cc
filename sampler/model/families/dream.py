"""Dream, Dream-Coder and DiffuCoder: Qwen2's shape, full attention, logits shifted by one, filled in place.

The length of a span is fixed before it is filled, so several are tried. Those that have a chat template follow
instructions. DreamOn, which declares the same architecture but grows and shrinks its canvas, is another family.
"""

from __future__ import annotations

from sampler.model.families.chat import chat_frame
from sampler.model.families.profile import Config, FamilyProfile, UnknownFamily, Vocabulary, setting, unwritable

ARCHITECTURES = ("DreamModel",)
MASK_NAMES = ("<|mask|>", "<mask>", "[MASK]")
LENGTHS = (4, 8, 16, 32, 64)
LENGTH_CHANGES = (-8, -3, 0, 3, 8, 16)


def profile(config: Config, vocabulary: Vocabulary) -> FamilyProfile:
    """Facts of the family; ids from config.json, checked against the tokenizer's names."""
    if _id(vocabulary, "<|expand|>") is not None:
        raise UnknownFamily("The tokenizer has <|expand|>: this is DreamOn, whose growing canvas is not supported.")
    mask_id = setting(config, "mask_token_id", int)
    named = [i for i in (_id(vocabulary, name) for name in MASK_NAMES) if i is not None]
    if named and mask_id not in named:
        raise UnknownFamily(f"config.json calls token {mask_id} the mask, the tokenizer token {named[0]}.")
    end_id = setting(config, "eos_token_id", int)
    return FamilyProfile(
        name="dream",
        topology="full",
        layout="in-place",
        logit_shift=1,
        live_start_offset=-1,
        block_size=32,
        cache="refresh-per-block",
        commit_pass=False,
        causal_reading=False,
        length_policy="fixed",
        lengths=LENGTHS,
        length_changes=LENGTH_CHANGES,
        chat=chat_frame(setting(config, "tokenizer_config", dict, {})),
        policy="entropy",
        mask_id=mask_id,
        end_id=end_id,
        begin_id=setting(config, "bos_token_id", int),
        forbidden_ids=unwritable(vocabulary, setting(config, "vocab_size", int), keep=[end_id]),
    )


def _id(vocabulary: Vocabulary, name: str) -> int | None:
    try:
        return vocabulary.id(name)
    except KeyError:
        return None
