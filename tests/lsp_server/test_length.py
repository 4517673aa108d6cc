"""What a key, and a look for code actions, costs in long documents and long lines."""

from __future__ import annotations

from pathlib import PurePath
from typing import NamedTuple

import pytest

from lsp_server.completion.gate import gate
from lsp_server.completion.record import SUPERSEDED, record_of
from lsp_server.context.context import infill_request
from lsp_server.context.query import Query, place_at
from lsp_server.context.snippets import Neighbour, pick
from lsp_server.edits.holes import find_holes
from lsp_server.edits.instructions import instruction_at
from lsp_server.edits.next_edits import begun, pattern_of
from lsp_server.edits.repairs import first_error_lines
from lsp_server.edits.selection import select
from lsp_server.postprocess import postprocess
from lsp_server.workspace.documents import Change, Document, Position
from lsp_server.workspace.notebooks import Cell, Notebooks
from lsp_server.workspace.settings import Settings
from tests.support.cost import cost

SIZE = 3_000_000
BOUND_S = 4.0
"""Fifty times what a linear version takes of a document of that size, and much less than a quadratic one."""


class Shape(NamedTuple):
    language: str
    piece: str
    head: str = ""


SHAPES = [
    Shape("javascript", "foo(bar1, 'x'); "),
    Shape("javascript", "foo(bär1, '😀'); "),
    Shape("javascript", "a ", "const a = `"),
    Shape("python", "foo(bar1, 'x')\n"),
    Shape("python", "foo(bär1, '😀')\r\n"),
    Shape("python", "\n"),
    Shape("python", "    "),
    Shape("python", "a", "password = 'a' # "),
    Shape("python", "token ", "secret="),
    Shape("python", "# seedfill: a\n@b\n    c\n"),
    Shape("python", '"""a"""; '),
    Shape("go", "f(`a` /* "),
    Shape("lua", "[[ --[[ ' \" "),
    Shape("plaintext", "lorem ipsum (dolor) "),
    Shape("yaml", "-"),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.language}-{shape.head}{shape.piece}"[:30])
def test_a_key_costs_no_more_than_a_look_at_the_document(shape: Shape) -> None:
    text = shape.head + shape.piece * (SIZE // len(shape.piece))
    document = Document("file:///w/a", shape.language, 0, text, "utf-16")
    at = len(text) // 2
    line, character = document.position(at)

    def key() -> None:
        here = Position(line, character)
        document.apply([Change("x", here, here)], 1)
        assert document.offset(here) == at
        burst = begun(text, document.text)
        pattern_of(burst, document.text)
        snapshot = document.snapshot()
        query = Query(snapshot=snapshot, offset=at + 1, settings=Settings(), path=PurePath("/w/a"), invoked=True)
        gate(query, 0)
        record_of(query, SUPERSEDED)
        place = place_at(snapshot.text, query.offset, shape.language)
        infill_request(snapshot, place, query.settings, client="c", path="a")
        for written in ("x = f(')')\n", "'x'; foo(bar1", "    a\n    b"):
            postprocess(written, place, is_cut=True)

    assert cost(key) < BOUND_S


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.language}-{shape.head}{shape.piece}"[:30])
def test_a_look_around_costs_no_more_than_a_look_at_the_document(shape: Shape) -> None:
    text = shape.head + shape.piece * (SIZE // len(shape.piece))
    at = len(text) // 2

    def look() -> None:
        line = select(text, at, at)
        instruction_at(text, at, at)
        find_holes(text, shape.language, max(line.start, at - 100), min(line.end, at + 100))
        first_error_lines(text, shape.language, at, at)
        pick(text[:at], text[at:], [Neighbour(PurePath("/w/b"), text[:400_000])])

    assert cost(look) < BOUND_S


@pytest.mark.parametrize("line", ["x = f(1)\n", "%pwd\n", "!echo '''\n", "x = (\n", "y = 'é'?\n"])
def test_a_key_in_a_long_notebook_costs_no_more_than_a_look_at_it(line: str) -> None:
    cells = [f"# {n}\n{line * 100}" for n in range(1_000)]
    documents = {str(n): Document(str(n), "python", 0, text, "utf-16") for n, text in enumerate(cells)}
    notebooks = Notebooks()
    notebooks.open("notebook", [Cell(uri, True) for uri in documents])

    def key() -> None:
        canvas = notebooks.canvas(documents["500"].snapshot(), documents)
        assert canvas.snapshot.text[canvas.origin :].startswith("# 500\n")

    assert cost(key) < 40
    assert cost(key) < 1, "the other cells have been read already"


@pytest.mark.parametrize(
    "piece", ["def f():\n    pass\n", "@a\ndef f(): ...\n", "x = ...; ", "class A(B):\n    pass\n\n\n"]
)
def test_many_holes_cost_no_more_than_a_look_at_the_document(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    assert cost(lambda: find_holes(text, "python", 0, len(text))) < 30
    assert cost(lambda: instruction_at(text + "# seedfill: do it\n" + text, 0, len(text) + 10)) < BOUND_S
