"""An edit asked for in a chat, for checkpoints that fill in place: the answer is the file, of which all but the
selection is already written.

    user       instruction, the selected lines, the file
    assistant  the file: prefix │ new │ suffix
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sampler.model.families.chat import ChatFrame
from sampler.model.tokenizer import Tokenizer

_SPECIAL = re.compile(r"<[^<>\s]+>|\[/?[A-Z_]+\]")
"""What may be the name of a special token in a template; what is none is text."""


class ChatEdit(NamedTuple):
    """The tokens around the code that is rewritten, but for the parts of the file, which are cut to what fits."""

    opening: list[int]
    """Up to the file in the question."""
    middle: list[int]
    """From there to the file in the answer."""
    closing: list[int]

    def head(self, prefix: list[int], selection: list[int], suffix: list[int]) -> list[int]:
        """All that stands before the new code."""
        return [*self.opening, *prefix, *selection, *suffix, *self.middle, *prefix]

    def tail(self, suffix: list[int]) -> list[int]:
        """All that stands behind it."""
        return [*suffix, *self.closing]

    @property
    def n_fixed(self) -> int:
        """Tokens that are no part of the file."""
        return len(self.opening) + len(self.middle) + len(self.closing)


def chat_edit(
    tokenizer: Tokenizer, frame: ChatFrame, *, instruction: str, selection: str, language: str, path: str
) -> ChatEdit:
    """The question and the answer's frame. Nothing in the person's text or code is read as a special token."""
    fence = f"```{language}\n"
    asked = (
        f"{instruction}\n\nThis is about these lines of {path or 'the file'}:\n\n{fence}{selection}\n```\n\n"
        f"Answer with the whole file, in which nothing but these lines is changed. This is the file:\n\n{fence}"
    )
    return ChatEdit(
        [*_frame_tokens(frame.before, tokenizer), *tokenizer.encode(asked)],
        [*tokenizer.encode("\n```"), *_frame_tokens(frame.between, tokenizer), *tokenizer.encode(fence)],
        [*tokenizer.encode("\n```"), *_frame_tokens(frame.after, tokenizer)],
    )


def _frame_tokens(text: str, tokenizer: Tokenizer) -> list[int]:
    """The tokens of a template's own text, in which special tokens stand by their names."""
    tokens, at = list[int](), 0
    for match in _SPECIAL.finditer(text):
        special = _special_id(match[0], tokenizer)
        if special is not None:
            tokens += [*tokenizer.encode(text[at : match.start()]), special]
            at = match.end()
    return tokens + tokenizer.encode(text[at:])


def _special_id(name: str, tokenizer: Tokenizer) -> int | None:
    try:
        found = tokenizer.id(name)
    except KeyError:
        return None
    return None if tokenizer.token_bytes[found] else found
