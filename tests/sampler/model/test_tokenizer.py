"""Tokens write bytes: text is what of them are whole characters."""

from __future__ import annotations

import pytest

from sampler.model.tokenizer import Tokenizer
from sampler.protocol.paths import default_model_folder

TEXTS = ["größe", "计算总和", "привет, мир", "😀 a", "a \ufffd b", "→ “x”", ""]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(default_model_folder() / "tokenizer.json")


@pytest.mark.parametrize("text", TEXTS)
def test_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == tokenizer.decode_escaped(ids) == text
    assert tokenizer.is_whole(ids)


@pytest.mark.parametrize("text", TEXTS)
def test_half_a_character_is_no_text(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    for n in range(len(ids)):
        begun = tokenizer.decode(ids[:n])
        assert text.startswith(begun)
        assert tokenizer.is_whole(ids[:n]) == (begun.encode() == tokenizer.bytes_of(ids[:n]))


def test_a_broken_character_ends_the_text_before_it(tokenizer: Tokenizer) -> None:
    lead, *_ = tokenizer.encode("计")
    assert tokenizer.decode([*tokenizer.encode("a"), lead, *tokenizer.encode("b")]) == "a"
