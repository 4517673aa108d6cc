"""Our own family: a causal context, a bidirectional live block, and a commit pass that reads next tokens."""

from __future__ import annotations

import reprlib
from typing import get_args

from sampler.model.families.profile import (
    Config,
    FamilyProfile,
    UnknownFamily,
    Vocabulary,
    languages,
    setting,
    special,
    unwritable,
)
from sampler.protocol.messages import Policy

ARCHITECTURES = ("SeedfillForDiffusion",)
LAYOUT_VERSION = 1
"""The frozen layouts and reserved tokens that the weights were trained with."""


LIVE_MARKER = "<spare_0>"
MAX_BLOCK = 128


def profile(config: Config, vocabulary: Vocabulary) -> FamilyProfile:
    """Facts of the family, the variable ones from config.json's "seedfill" object."""
    own = setting(config, "seedfill", dict)
    if setting(own, "layout_version", int) != LAYOUT_VERSION:
        raise UnknownFamily(
            f"The checkpoint uses layout version {own['layout_version']}, this package version {LAYOUT_VERSION}."
        )
    block_size, policy = setting(own, "block_size", int), own.get("policy", "threshold")
    if not 1 <= block_size <= MAX_BLOCK:
        raise UnknownFamily(f"config.json must give 'block_size' from 1 to {MAX_BLOCK}, not {block_size}.")
    if policy not in get_args(Policy):
        known = ", ".join(get_args(Policy))
        raise UnknownFamily(f"config.json names the policy {reprlib.repr(policy)}, which is none of {known}.")
    can_edit = setting(own, "edits", bool, False)
    threshold = setting(own, "threshold", float) if "threshold" in own else None
    if threshold is not None and not 0 <= threshold <= 1:
        raise UnknownFamily(f"config.json must give 'threshold' from 0 to 1, not {threshold}.")
    edit_threshold = setting(own, "edit_threshold", float) if "edit_threshold" in own else None
    if edit_threshold is not None and not (can_edit and 0 < edit_threshold <= 1):
        raise UnknownFamily("config.json may give 'edit_threshold' above 0 and up to 1, and only with 'edits': true.")
    end_id = special(vocabulary, "<span_end>")
    return FamilyProfile(
        name="seedfill",
        topology="context-causal",
        layout="suffix-first",
        logit_shift=0,
        live_start_offset=0,
        block_size=block_size,
        cache="exact",
        commit_pass=True,
        causal_reading=True,
        length_policy="end-token",
        policy=policy,
        threshold=threshold,
        mask_id=special(vocabulary, "<mask>"),
        end_id=end_id,
        expand_id=special(vocabulary, "<expand>") if can_edit else None,
        delete_id=special(vocabulary, "<delete>") if can_edit else None,
        edit_threshold=edit_threshold,
        surprise_ceiling=setting(own, "surprise_ceiling", float) if "surprise_ceiling" in own else None,
        live_marker_id=special(vocabulary, LIVE_MARKER),
        forbidden_ids=unwritable(vocabulary, setting(config, "vocab_size", int), keep=[end_id]),
        languages=languages(own),
    )
