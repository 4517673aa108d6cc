"""Qwen2.5-Coder: a plain causal model that was taught to fill in the middle. For the sampler, blocks of one.

Its published layout has the prefix first, so that a keystroke would have the whole suffix read again. Here all of what
stands before the cursor comes behind the middle token, as if the middle were half written (EFIM, arXiv 2505.21889):
typing appends, and the instruct weights, which hardly see a suffix in the published order, see it.
"""

from __future__ import annotations

from sampler.model.families.profile import (
    Config,
    FamilyProfile,
    InfillTokens,
    UnknownFamily,
    Vocabulary,
    languages,
    setting,
    special,
    unwritable,
)

ARCHITECTURES = ("Qwen2ForCausalLM",)
END_NAMES = (
    "<|endoftext|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)
"""What ends a fill; engines that knew only one of them ran on."""


def profile(config: Config, vocabulary: Vocabulary) -> FamilyProfile:
    """Facts of the family; ids by name from the tokenizer. Raises UnknownFamily for weights that cannot fill in."""
    try:
        ends = [special(vocabulary, name) for name in END_NAMES]
    except UnknownFamily:
        raise UnknownFamily("The tokenizer has no <|fim_middle|> and its kin: these weights cannot fill in.") from None
    own = config.get("seedfill")
    return FamilyProfile(
        name="qwen-coder",
        topology="context-causal",
        layout="suffix-first",
        logit_shift=0,
        live_start_offset=0,
        block_size=1,
        cache="exact",
        commit_pass=True,
        causal_reading=True,
        length_policy="end-token",
        by_hand="extent",
        policy="lookup",
        mask_id=special(vocabulary, "<|fim_pad|>"),
        end_id=ends[0],
        other_end_ids=tuple(ends[1:]),
        infill=InfillTokens(
            prefix=special(vocabulary, "<|fim_prefix|>"),
            suffix=special(vocabulary, "<|fim_suffix|>"),
            middle=special(vocabulary, "<|fim_middle|>"),
            repository=special(vocabulary, "<|repo_name|>"),
            file=special(vocabulary, "<|file_sep|>"),
        ),
        forbidden_ids=unwritable(vocabulary, setting(config, "vocab_size", int), keep=ends),
        languages=languages(own) if isinstance(own, dict) else (),
    )
