import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.model.tokenizer import RESERVED, Tokenizer
from seedfill.training.data import bpe
from seedfill.training.loop import runs

TEXTS = ["def f(x):\n    return x + 1\n", "class A:\n\n    def method(self):\n        pass\n"] * 5
LEARNED = bpe.learn(TEXTS, 400)
SHIPPED = Tokenizer.load(runs.shipped_tokenizer())


@pytest.mark.parametrize("tokenizer", [LEARNED, SHIPPED], ids=["learned", "shipped"])
@given(text=st.text())
def test_any_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_tokens_are_frozen_and_no_text_writes_them(name: str) -> None:
    assert SHIPPED.id(name) == RESERVED.index(name)
    assert SHIPPED.id(name) not in SHIPPED.encode(f"x = {name} + 1")
    assert SHIPPED.decode(SHIPPED.encode(name)) == name


def test_a_newline_and_its_indentation_are_one_token() -> None:
    tokens = SHIPPED.encode("if a:\n        b()\n")
    assert b"\n        " in [SHIPPED.token_bytes[i] for i in tokens]


def test_no_token_has_a_newline_behind_its_first_line_break() -> None:
    assert not [text for text in SHIPPED.token_bytes if b"\n" in text.removeprefix(b"\r").removeprefix(b"\n")]


def test_learning_twice_gives_the_same_tokens() -> None:
    again = bpe.learn(TEXTS, 400)
    assert again.encode(TEXTS[0]) == LEARNED.encode(TEXTS[0])


def test_a_lone_surrogate_is_read_as_the_replacement_character() -> None:
    assert SHIPPED.decode(SHIPPED.encode("a\ud800b")) == "a\ufffdb"
