"""Pieces of other files for a cursor."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from lsp_server.context.snippets import MAX_SNIPPETS, SNIPPET_CHARACTERS, Neighbour, definitions, pick, snippets_cost


def neighbour(text: str, path: str = "b.py") -> Neighbour:
    return Neighbour(PurePosixPath("/w", path), text)


SHAPES = neighbour(
    "def area(width, height):\n    return width * height\n\n\n"
    "class Circle:\n    def circumference(self):\n        return 6\n\n\nx = 1\n"
)


def picked(before: str, after: str, *neighbours: Neighbour) -> list[str]:
    return [snippet.text.partition("\n")[0] for snippet in pick(before, after, neighbours)]


def test_the_definition_of_a_name_near_the_cursor_is_shown() -> None:
    (snippet,) = pick("total = area(", "\n", [SHAPES])
    assert snippet.path == "b.py"
    assert snippet.text == "def area(width, height):\n    return width * height"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("nothing = ", "", []),
        ("Circle() + area(", "", ["class Circle:", "def area(width, height):"]),
        ("def area(): ...\narea(", "", []),  # the document has its own
        ("x = ", "\narea(1)\n", ["def area(width, height):"]),
        ("area(1)\n" + "# far away\n" * 200, "", []),
    ],
)
def test_what_is_near_and_unknown_counts(before: str, after: str, expected: list[str]) -> None:
    assert sorted(picked(before, after, SHAPES)) == sorted(expected)


def test_the_nearest_name_comes_last() -> None:
    assert picked("area(1)\n" + "other words here\n" * 20 + "Circle(", "", SHAPES)[-1] == "class Circle:"


def test_a_name_that_many_files_define_counts_less() -> None:
    many = [neighbour("def common():\n    pass\n", f"{n}.py") for n in range(9)]
    assert picked("rare(common(", "", neighbour("def rare():\n    pass\n"), *many)[-1] == "def rare():"


def test_snippets_are_bounded() -> None:
    body = "".join(f"    value_{n} = {n}\n" for n in range(50))
    many = [neighbour(f"def function_{n}():\n{body}", f"{n}.py") for n in range(9)]
    found = pick("".join(f"function_{n} " for n in range(9)), "", many)
    assert len(found) == MAX_SNIPPETS
    assert all(len(snippet.text) <= SNIPPET_CHARACTERS for snippet in found)
    assert snippets_cost(found) <= MAX_SNIPPETS * (SNIPPET_CHARACTERS + 10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class A:\n  def f():\n    pass\n", [("A", "class A:\n  def f():\n    pass"), ("f", "def f():\n  pass")]),
        ("async def f(\n    a,\n):\n    pass\ny = 1\n", [("f", "async def f(\n    a,\n):\n    pass")]),
        ("export function f(a) {\n  g();\n}\nh();\n", [("f", "export function f(a) {\n  g();\n}")]),
        ("pub fn f() {}\nstruct S {\n    x: i32,\n}\n", [("f", "pub fn f() {}"), ("S", "struct S {\n    x: i32,\n}")]),
        ("define = 1\nclassic = 2\n# def no\n", []),
        ("", []),
    ],
)
def test_definitions(text: str, expected: list[tuple[str, str]]) -> None:
    assert [tuple(definition) for definition in definitions(text)] == expected
