"""Our own family: a causal context, a bidirectional live block, and a commit pass that reads next tokens."""

from __future__ import annotations

from sampler.families.profile import Config, FamilyProfile, UnknownFamily, Vocabulary, setting, special, unwritable

ARCHITECTURES = ("SeedfillForDiffusion",)
LAYOUT_VERSION = 1
"""The frozen layouts and reserved tokens that the weights were trained with."""


LIVE_MARKER = "<spare_0>"


def profile(config: Config, vocabulary: Vocabulary) -> FamilyProfile:
    """Facts of the family, the variable ones from config.json's "seedfill" object."""
    own = setting(config, "seedfill", dict)
    if setting(own, "layout_version", int) != LAYOUT_VERSION:
        raise UnknownFamily(
            f"The checkpoint uses layout version {own['layout_version']}, this package version {LAYOUT_VERSION}."
        )
    end_id = special(vocabulary, "<span_end>")
    return FamilyProfile(
        name="seedfill",
        topology="context-causal",
        layout="suffix-first",
        logit_shift=0,
        live_start_offset=0,
        block_size=setting(own, "block_size", int),
        cache="exact",
        commit_pass=True,
        causal_reading=True,
        length_policy="end-token",
        policy=own.get("policy", "threshold"),
        threshold=own.get("threshold"),
        mask_id=special(vocabulary, "<mask>"),
        end_id=end_id,
        live_marker_id=special(vocabulary, LIVE_MARKER),
        forbidden_ids=unwritable(vocabulary, setting(config, "vocab_size", int), keep=[end_id]),
        languages=tuple(setting(own, "languages", list)),
    )
