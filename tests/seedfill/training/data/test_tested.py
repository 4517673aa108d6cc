"""Prompts with tests: what stood in the span passes them, nothing in its place does not."""

import random
from dataclasses import replace

from seedfill.training.data.corpus import Document
from seedfill.training.data.prompts import PromptShape
from seedfill.training.data.tested import draw_tested, functions_with_examples, with_examples
from seedfill.training.objectives.on_policy import OnPolicy
from seedfill.training.objectives.stages import PromptSource
from seedfill.training.objectives.verifier import Verifier, verify
from tests.support.tiny_model import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
TEXT = '''import os
from math import sqrt
from .other import thing


def norm(items):
    """The length of a vector.

    >>> norm([3, 4])
    5.0
    """
    total = sum(item * item for item in items)
    return sqrt(total)


def plain(x):
    """Nothing to run."""
    return x


def needs(x):
    """
    >>> needs(1)
    2
    """
    y = thing(x)
    return y
'''
DOCUMENT = Document("p", "p/a.py", "python", TEXT)
SHAPE = PromptShape(max_lines=2, max_tokens=60)


def test_functions_with_examples_stand_alone() -> None:
    found = functions_with_examples(TEXT)
    assert [name for _, name, _ in found] == ["norm", "needs"]
    text, _, start = found[0]
    assert text.startswith("import os\nfrom math import sqrt\n\n\ndef norm(items):")
    assert text[start:] == "    total = sum(item * item for item in items)\n    return sqrt(total)\n"
    assert functions_with_examples("def broken(:\n") == []


def test_a_tested_prompt_is_passed_by_what_stood_there_and_not_by_something_else() -> None:
    prompt = next(p for seed in range(20) if (p := draw_tested([DOCUMENT], TOKENIZER, SHAPE, random.Random(seed))))
    gold = TOKENIZER.decode(prompt.gold)
    assert prompt.filled(gold) == prompt.text and "norm" in prompt.text and "needs" not in prompt.text
    own = [-0.1] * len(prompt.gold)
    assert verify(Verifier(), prompt, gold, prompt.gold, own).passes_tests
    wrong = replace(Verifier(), guards=False)
    assert verify(wrong, prompt, "pass", prompt.gold, own).passes_tests is False


def test_files_without_examples_give_ordinary_prompts() -> None:
    how = OnPolicy(shape=SHAPE, tested_share=1.0)
    plain = Document("p", "p/b.py", "python", "x = 1\ny = 2\n" * 20)
    assert with_examples([plain, DOCUMENT]) == [DOCUMENT]
    assert PromptSource([plain]).draw(TOKENIZER, how, random.Random(0)).tests == ""
    needy = replace(DOCUMENT, text=TEXT[TEXT.index("def needs") :])
    assert PromptSource([needy]).draw(TOKENIZER, how, random.Random(0)).tests == "", "what fails teaches nothing"
