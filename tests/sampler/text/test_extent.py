"""How far a fill goes, by the lines around it."""

from __future__ import annotations

import pytest

from sampler.text.extent import extent_at

REACHES = [
    # before, after, text, whether its last line is the one behind
    ("", "b = 2\n", "a = 1\nb = 2", True),
    ("", "\n\nb = 2  \n", "a = 1\nb = 2", True),
    ("", "b = 2\n", "b = 2", True),
    ("", "b = 2\n", "a = 1\nb = 2 + 1", False),
    ("", "b = 2\n", "a = 1\n  b = 2", False),
    ("if a:\n    ", "b = 2\n", "a = 1\n    b = 2", True),
    ("if a:\n    ", "b = 2\n", "b = 2", True),
    ("if a:\n    ", "\n    b = 2\n", "b = 2", True),
    ("b =", "\nb = 2\n", " 2", False),
    ("b =", "\nb = 2\n", " 1\nb = 2", True),
    ("f(", ")\nb = 2\n", "b = 2", False),
    ("if (a) {\n", "}\n", "  f();\n}", False),
    ("", "", "a = 1", False),
]

LEFT = [
    # before, after, text, whether its last line is no part any more of what it began in
    ("def f():\n", "", "    a = 1\n    b", False),
    ("def f():\n", "", "    a = 1\nb", True),
    ("def f():\n", "", "    a = 1\n", False),
    ("def f():\n    ", "", "a = 1\nb", True),
    ("def f():\n    ", "", "if a:\n        b\n    c", False),
    ("def f():", "", "\n    a = 1\n    b", False),
    ("def f():", "", "\n    a = 1\n\ndef", True),
    ("a = ", "", "1\nb", True),
    ("f(", "", "\n    1,\n)", False),
    ("", "", "def f():\n    a = 1\n\n\ndef", True),
    ("", "", "if a:\n    b = 1\nelse", False),
    ("", "", "a = 1\n\nb", False),
    ("if a:\n", "    c = 3\n", "        b = 1\n    d", False),
    ("if a:\n", "    c = 3\n", "        b = 1\nd", True),
    ("", "", "", False),
]


@pytest.mark.parametrize(("before", "after", "text", "expected"), REACHES)
def test_a_fill_reaches_the_line_behind_it(before: str, after: str, text: str, expected: bool) -> None:
    assert extent_at(before, after).reaches_behind(text) is expected


@pytest.mark.parametrize(("before", "after", "text", "expected"), LEFT)
def test_a_fill_leaves_the_block_that_it_began_in(before: str, after: str, text: str, expected: bool) -> None:
    assert extent_at(before, after).is_left(text) is expected
