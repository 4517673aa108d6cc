"""Patterns of published tokenizers are taken; those that may take for ever are not."""

from __future__ import annotations

import pytest

from sampler.model.split_patterns import is_quick

LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
PUBLISHED = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "qwen2": rf"(?i:'s|'t|'d)|{LETTERS}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "llama3": rf"(?i:'s|'t|'d)|{LETTERS}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+",
    "cl100k": r"'(?i:[sdmt]|ll)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{M}]*[\p{Ll}\p{M}]+(?i:'s|'t)?|\p{N}{1,3}",
    "deepseek": r"\s?[!-/:-~]+",
}
SLOW = ["(a+)+b", "(a|a)*b", "(?:a*)*", "a+a+a+b", r"(a)\1", "a{1,}a{1,}a{1,99}b", "(?:a+b)?", "(a{1,9}){9}", "x*" * 8]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_pattern_is_quick(name: str) -> None:
    assert is_quick(PUBLISHED[name])


@pytest.mark.parametrize("pattern", SLOW)
def test_a_pattern_that_backtracks_is_not(pattern: str) -> None:
    assert not is_quick(pattern)
