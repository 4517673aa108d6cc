"""Prompts for the model's own text: a place in a file, laid out as the sampler lays it out, and what stood there."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sampler.model import layout
from sampler.model.tokenizer import Tokenizer
from sampler.text.windows import prefix_window, suffix_window
from seedfill.training.data.corpus import Document
from seedfill.training.data.samples import cut


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptShape:
    """How much of a file a prompt shows and how long what stood there may be."""

    prefix_characters: int = 1_500
    suffix_characters: int = 500
    max_lines: int = 6
    min_tokens: int = 2
    max_tokens: int = 48
    """End token included; the model may write as much."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """A span of a file: `text[start:end]` stood there, `gold` are its tokens and the end token."""

    text: str
    start: int
    end: int
    context: layout.Context
    gold: list[int]
    tests: str = ""
    """A program that ends by itself when the fill is right; `{whole}` in it stands for the filled file."""

    def filled(self, fill: str) -> str:
        """The whole file with `fill` in the span's place."""
        return self.text[: self.start] + fill + self.text[self.end :]


def draw_prompt(documents: Sequence[Document], tokenizer: Tokenizer, shape: PromptShape, rng: random.Random) -> Prompt:
    """A random span of a random file, suffix first; spans that are too short or too long are drawn again."""
    while True:
        document = rng.choice(documents)
        text = document.text
        start, end = cut(text, rng, max_lines=shape.max_lines, max_characters=8 * shape.max_tokens)
        gold = [*tokenizer.encode(text[start:end]), tokenizer.id("<span_end>")]
        if shape.min_tokens <= len(gold) <= shape.max_tokens and text[start:end].strip():
            break
    prefix = prefix_window(text[max(0, start - 4 * shape.prefix_characters) : start], shape.prefix_characters)
    suffix = suffix_window(text[end : end + 2 * shape.suffix_characters], shape.suffix_characters)
    head = layout.header(tokenizer, language=document.language, path=document.path)
    context = layout.suffix_first(tokenizer, head, *tokenizer.encode_batch([prefix, suffix]))
    return Prompt(text=text, start=start, end=end, context=context, gold=gold)
