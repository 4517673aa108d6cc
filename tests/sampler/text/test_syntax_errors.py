"""What a text leaves wrong around the place where it is written, and what a line there could help."""

from __future__ import annotations

import pytest

from sampler.text.syntax import syntax_at
from sampler.text.syntax_errors import SyntaxErrors


def errors_at(marked: str, line_end: str = "") -> SyntaxErrors:
    before, _, after = marked.partition("║")
    return SyntaxErrors(syntax_at(before, after, "python"), line_end)


@pytest.mark.parametrize(
    ("marked", "text", "is_whole"),
    [
        ("x = 1\n║\n", "y = 2", True),
        ("x = 1\n║\n", "y = (2", False),
        ("x = 1\n║\n", "if x:", False),
        ("if x:\n    ║\n", "pass", True),
        ("def f():\n    y()\n║        return 1\n", "    x = 1\n", False),
        ("def f():\n    y()\n║        return 1\n", "    if x:\n", True),
        ("def f():\n║        return 1\n", "    if x:\n", True),
        ("if x:\n    y()\n║    z()\n", "else:\n", True),
        ("def f():\n    y()\n    ║\n        return 1\n", "x = 1\n", False),
        ("def f():\n    y()\n    ║\n        return 1\n", "if x:\n", True),
        ("\tif x:\n\t\ty()\n║\t\t\treturn 1\n", "\t\tz()\n", False),
        ("\tif x:\n\t\ty()\n║\t\t\treturn 1\n", "\t\tif z:\n", True),
        ("x = (1\ny = 2\n\n\ndef f():\n    ║\n", "return 1", True),
    ],
)
def test_a_whole_text_takes_away_what_a_line_can(marked: str, text: str, is_whole: bool) -> None:
    assert errors_at(marked).is_whole(text) == is_whole


def test_what_stands_behind_every_text_counts() -> None:
    assert errors_at("║y = 2\n", "\n").is_whole("x = 1")
    assert not errors_at("║y = 2\n").is_whole("x = 1")


@pytest.mark.parametrize("text", ["", "x = (", "if x:"])
def test_nothing_is_a_fault_where_no_grammar_knows_the_language(text: str) -> None:
    assert SyntaxErrors(None).left_by(text) == 0 and SyntaxErrors(None).is_whole(text)
