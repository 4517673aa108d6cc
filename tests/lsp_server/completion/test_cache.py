"""What is left of an answer where the editor closes brackets and quotes by itself."""

from __future__ import annotations

import pytest

from lsp_server.completion.cache import still_open, up_to


@pytest.mark.parametrize(
    ("typed", "language", "closed"),
    [
        ('f("', "python", '")'),
        ('f(")", [', "python", "])"),
        ('f("a")', "go", ""),
        ("f(')', {", "c", "})"),
        ("f(&'a x, (", "rust", "))"),
    ],
)
def test_what_is_still_open(typed: str, language: str, closed: str) -> None:
    assert still_open(typed, language) == closed


@pytest.mark.parametrize(
    ("closers", "text", "language", "expected"),
    [
        (")", 'a(")"), b) c', "python", 'a(")"), b'),
        ('")', 'a\\"b") c', "python", 'a\\"b'),
        (")", "'(', x) c", "go", "'(', x"),
        ("'", "a') b", "rust", "a"),
        (")", "a", "python", ""),
        ("", "a)", "python", "a)"),
    ],
)
def test_a_text_goes_up_to_what_closes_it(closers: str, text: str, language: str, expected: str) -> None:
    assert up_to(closers, text, language) == expected
