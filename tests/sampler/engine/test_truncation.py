"""However large a request is, what is tokenised stays small."""

from __future__ import annotations

from typing import Any

import pytest

from sampler.decoding.prompt import canvases
from sampler.engine.truncation import CHARACTERS_PER_TOKEN, MAX_SNIPPETS, clipped
from sampler.model.families import recognise
from sampler.model.tokenizer import Tokenizer
from sampler.protocol.messages import BadMessage, Edit, InfillRequest, Snippet
from tests.support.tiny_model import tiny_tokenizer

POSITIONS = 512
REACH = POSITIONS * CHARACTERS_PER_TOKEN
PROFILE = recognise(
    {
        "vocab_size": tiny_tokenizer().vocab_size,
        "architectures": ["SeedfillForDiffusion"],
        "seedfill": {"block_size": 8, "languages": [], "layout_version": 1},
    },
    tiny_tokenizer(),
)
LINES = "value = compute(value, 1)\n" * 280_000
"""Seven million characters."""


class Counting(Tokenizer):
    """Counts the characters that it is given."""

    def __init__(self) -> None:
        self.__dict__.update(tiny_tokenizer().__dict__)
        self.n_characters = 0

    def encode(self, text: str) -> list[int]:
        self.n_characters += len(text)
        return super().encode(text)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        self.n_characters += sum(map(len, texts))
        return super().encode_batch(texts)


def request(**changes: Any) -> InfillRequest:
    return InfillRequest(**{"document": "d", "pieces": ("a = ", "\n"), "max_tokens": 16, **changes})


@pytest.mark.parametrize(
    "asked",
    [
        request(pieces=(LINES, LINES)),
        request(pieces=("x" * len(LINES), "")),
        request(pieces=(LINES, "middle", LINES)),
        request(edit=Edit(selection="a = 1\n"), pieces=(LINES, LINES)),
        request(snippets=(Snippet(path="a.py", text=LINES), Snippet(path="b.py", text="b = 1"))),
        request(snippets=(Snippet(path="", text="x"),) * 300_000),
    ],
    ids=["lines", "one line", "holes", "edit", "a long snippet", "many snippets"],
)
def test_little_is_tokenised(asked: InfillRequest) -> None:
    tokenizer = Counting()
    assert canvases(clipped(asked, POSITIONS), tokenizer, PROFILE, POSITIONS)
    assert tokenizer.n_characters <= 4 * REACH


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (request(pieces=("", LINES, "")), "spans lie too far apart"),
        (request(edit=Edit(selection=LINES)), "selection is too long"),
        (request(instruction=LINES), "instruction or the file's name is too long"),
        (request(path=LINES), "instruction or the file's name is too long"),
        (request(language=LINES), "instruction or the file's name is too long"),
    ],
    ids=["holes", "selection", "instruction", "path", "language"],
)
def test_what_cannot_be_cut_is_refused_unread(asked: InfillRequest, sentence: str) -> None:
    with pytest.raises(BadMessage, match=sentence):
        clipped(asked, POSITIONS)


def test_a_request_of_usual_size_stays_as_it_is() -> None:
    usual = request(pieces=("a" * REACH, "b" * REACH), snippets=(Snippet(path="a.py", text="a = 1"),) * MAX_SNIPPETS)
    assert clipped(usual, POSITIONS) == usual


def test_typing_appends_to_what_was_read() -> None:
    """The cut moves in steps, so that a keystroke does not shift every token."""

    def context(before: str) -> list[int]:
        asked = clipped(request(pieces=(before, "\n")), POSITIONS)
        return canvases(asked, tiny_tokenizer(), PROFILE, POSITIONS)[0].context

    text = LINES[: 3 * REACH]
    kept = [context(text + typed)[:200] == context(text)[:200] for typed in ("x", "xy", "xyz", "xyz = 1")]
    assert all(kept)
