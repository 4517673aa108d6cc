"""Places in a whole text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sampler.text import places as places_module
from sampler.text.grammars import parser_for
from sampler.text.places import holes, kinds_at

SOURCES = sorted(Path(places_module.__file__).parents[1].glob("*/*.py"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f():\n    pass\n", ["pass"]),
        ("class A: ...\ndef g():\n    ...\nx = ...\n", ["...", "..."]),
        ("def f(:\n    return 1\n", [""]),
        ("def f():\n    pass\n    return 1\n", []),
    ],
)
def test_holes(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in holes(text, "python")] == expected


def test_a_language_without_a_grammar_tells_nothing() -> None:
    assert holes("a", "cobol") == []
    assert kinds_at("a", "cobol", [0]) is None


@pytest.mark.parametrize("path", SOURCES[::9], ids=lambda path: path.name)
def test_the_kinds_at_many_places_are_those_at_each(path: Path) -> None:
    text = f"# é 漢 😀\n{path.read_text(encoding='utf-8')}x = (\n"
    places = [found.start() for found in re.finditer(r"\w+|[^\w\s]", text)]
    parser = parser_for("python")
    assert parser
    root, found = parser.parse(text.encode()).root_node, kinds_at(text, "python", places)
    assert found
    for place, kind in zip(places, found, strict=True):
        byte = len(text[:place].encode())
        node = root.descendant_for_byte_range(byte, byte + 1)
        assert node and kind == node.type
