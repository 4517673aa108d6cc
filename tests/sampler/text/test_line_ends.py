"""Which line end a document has, and what is written into it."""

from __future__ import annotations

import pytest

from sampler.text.line_ends import newline_of, own_lines, unix_lines


@pytest.mark.parametrize(
    ("document", "newline"),
    [
        ("", "\n"),
        ("x", "\n"),
        ("x\ny\n", "\n"),
        ("x\r\ny\r\n", "\r\n"),
        ("x\ry\r", "\r"),
        ("x\r\ny\nz\n", "\n"),
        ("x\r\ny\r\nz\n", "\r\n"),
        ("x\r\ny\n", "\n"),
        ("x\ry\nz\n", "\n"),
        ("x\r\r\n\r\n", "\r\n"),
        ("x\u2028y\x0cz", "\n"),
    ],
)
def test_a_text_takes_the_line_ends_that_most_lines_of_its_document_have(document: str, newline: str) -> None:
    assert newline_of(document) == newline
    assert own_lines("a\nb\n", document) == f"a{newline}b{newline}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\r\nb\rc\n", "a\nb\nc\n"), ("a\r\r\n", "a\n\n"), ("a\u2028\x0c\x85", "a\u2028\x0c\x85"), ("", "")],
)
def test_a_model_reads_lines_that_end_at_newlines(text: str, expected: str) -> None:
    assert unix_lines(text) == expected
