"""Profiles are read from what a checkpoint declares; contradictions are refused."""

from __future__ import annotations

from typing import Any

import pytest

from sampler.model.families import UnknownFamily, recognise
from sampler.model.layout import LIVE_MARKER
from tests.support.tiny_model import tiny_tokenizer

OWN = {"block_size": 16, "languages": ["python"], "layout_version": 1}
SEEDFILL = {"architectures": ["SeedfillForDiffusion"], "vocab_size": 400, "seedfill": OWN}
DREAM = {
    "architectures": ["DreamModel"],
    "vocab_size": 400,
    "mask_token_id": 2,
    "eos_token_id": 1,
    "bos_token_id": 60,
}


class Renamed:
    """The tiny tokenizer with another name for some special tokens."""

    def __init__(self, names: dict[str, int]) -> None:
        self.names = names
        self.vocab_size = tiny_tokenizer().vocab_size
        self.token_bytes = tiny_tokenizer().token_bytes

    def id(self, reserved: str) -> int:
        return self.names[reserved]


def test_seedfill_is_causal_in_context_and_reads_next_tokens() -> None:
    profile = recognise(SEEDFILL, tiny_tokenizer())
    assert (profile.topology, profile.logit_shift, profile.layout) == ("context-causal", 0, "suffix-first")
    assert (profile.cache, profile.commit_pass, profile.causal_reading) == ("exact", True, True)
    assert (profile.block_size, profile.languages) == (16, ("python",))
    assert profile.end_id == tiny_tokenizer().id("<span_end>")
    assert profile.live_marker_id == tiny_tokenizer().id(LIVE_MARKER)


def test_a_checkpoint_may_set_its_default_policy() -> None:
    profile = recognise({**SEEDFILL, "seedfill": {**OWN, "policy": "verified", "threshold": 1}}, tiny_tokenizer())
    assert (profile.policy, profile.threshold) == ("verified", 1.0)


def test_dream_is_full_shifted_and_in_place() -> None:
    profile = recognise(DREAM, tiny_tokenizer())
    assert (profile.topology, profile.logit_shift, profile.live_start_offset) == ("full", 1, -1)
    assert (profile.layout, profile.cache, profile.length_policy) == ("in-place", "refresh-per-block", "fixed")
    assert not profile.causal_reading and not profile.commit_pass
    assert profile.mask_id == 2


@pytest.mark.parametrize("config", [SEEDFILL, DREAM])
def test_nothing_but_text_and_the_end_may_be_predicted(config: dict[str, Any]) -> None:
    tokenizer, profile = tiny_tokenizer(), recognise(config, tiny_tokenizer())
    silent = {i for i, text in enumerate(tokenizer.token_bytes) if not text}
    unused = set(range(tokenizer.vocab_size, 400))
    assert set(profile.forbidden_ids) == (silent | unused) - {profile.end_id}
    assert profile.mask_id in profile.forbidden_ids


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"architectures": ["LLaDAModelLM"]}, "declares LLaDAModelLM"),
        ({}, "declares no architecture"),
        ({**SEEDFILL, "seedfill": None}, "'seedfill' as dict"),
        ({**SEEDFILL, "seedfill": {**OWN, "layout_version": 2}}, "layout version 2"),
        ({**SEEDFILL, "seedfill": {**OWN, "block_size": "8"}}, "'block_size' as int"),
        ({**SEEDFILL, "seedfill": {**OWN, "block_size": 0}}, "from 1 to 128"),
        ({**SEEDFILL, "seedfill": {**OWN, "policy": "guess"}}, "the policy 'guess'"),
        ({**SEEDFILL, "seedfill": {**OWN, "threshold": "high"}}, "'threshold' as float"),
        ({**DREAM, "mask_token_id": None}, "'mask_token_id' as int"),
        ({**DREAM, "mask_token_id": 3}, "calls token 3 the mask, the tokenizer token 2"),
    ],
)
def test_other_checkpoints_are_refused(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UnknownFamily, match=sentence):
        recognise(config, tiny_tokenizer())


def test_dreamon_is_not_taken_for_dream() -> None:
    with pytest.raises(UnknownFamily, match="DreamOn"):
        recognise(DREAM, Renamed({"<|mask|>": 2, "<|expand|>": 3}))


def test_seedfill_needs_its_own_tokens() -> None:
    with pytest.raises(UnknownFamily, match="<span_end>"):
        recognise(SEEDFILL, Renamed({}))
