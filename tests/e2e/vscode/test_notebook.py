"""A notebook: ghost text in its cells, made in sight of the others; what the model says is a script."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.vscode.conftest import Open
from tests.e2e.vscode.workbench import Window, eventually
from tests.support.lsp_scripted import Script

CELLS = (("code", "width, height = 3, 4"), ("markdown", "# Area"), ("code", "area ="), ("code", "print(area)"))
ABOVE = "width, height = 3, 4\n\n"
BELOW = "\n\nprint(area)"
FILL = "width * height"


class Notebook:
    """A notebook that is open in a window; `window.file` is its file."""

    def __init__(self, window: Window, cells: Sequence[tuple[str, str]]) -> None:
        self.window = window
        window.file = window.new_file(".ipynb")
        window.file.write_text(json.dumps(_notebook(cells)))
        window.open_file(window.file)
        own = f".notebookOverlay .code-cell-row .monaco-editor[data-uri*='{window.file.name}']"
        self.cells = window.page.locator(own)
        self.focused = window.page.locator(f"{own}.focused")
        n_code = sum(kind == "code" for kind, _ in cells)
        eventually(lambda: self.cells.count() == n_code, "all cells", self.cells.all_inner_texts)

    def edit(self, text: str) -> Window:
        """The window, with the cursor at the end of the code cell that reads so."""
        self.cells.filter(has_text=text).locator(".view-lines").click()
        self.focused.filter(has_text=text).wait_for()
        return self.window.settle().press("End")

    def insert_below(self) -> Window:
        """The window, with the cursor in a new code cell below the one of before."""
        self.window.command("Notebook: Insert Code Cell Below")
        eventually(lambda: self.focused.locator(".view-lines").all_inner_texts() == [""], "the focus in an empty cell")
        return self.window.settle()

    def sources(self) -> list[str]:
        """The cells' texts, as they are saved."""
        self.window.save()
        return ["".join(cell["source"]) for cell in json.loads(self.window.file.read_text())["cells"]]


@pytest.fixture(scope="module")
def window(scripted: Path, open_window: Open) -> Window:
    return open_window(server__path=str(scripted)).ready()


@pytest.fixture
def notebook(window: Window, script: Script) -> Iterator[Notebook]:
    """A notebook of the test's own; it is saved at the end, so that the next one takes its place."""
    yield Notebook(window, CELLS)
    window.save()


def test_a_cell_gets_ghost_text_made_in_sight_of_the_others_and_tab_accepts_it(
    notebook: Notebook, script: Script
) -> None:
    script.rules({"before": "area = ", "fills": [FILL]})
    window = notebook.edit("area =")
    window.type(" ")
    window.wait_for_ghost(FILL)
    window.picture("notebook")
    (request, *_) = window.requests(script)
    assert request["pieces"] == [f"{ABOVE}area = ", BELOW]
    assert request["path"] == window.file.name
    window.press("Tab")
    window.wait_for_no_ghost()
    eventually(lambda: notebook.sources()[2] == f"area = {FILL}", "the text in the cell", notebook.sources)


def test_why_nothing_came_names_the_place_in_the_cell(notebook: Notebook, script: Script) -> None:
    window = notebook.edit("print")
    window.type(" ")
    window.show_why(script, f"{window.file.name}:1:13", "The model wrote nothing.")
    window.press("Control+j")


def test_a_new_cell_is_seen_by_those_below(notebook: Notebook, script: Script) -> None:
    script.rules({"before": "depth = ", "fills": ["width"]}, {"before": "volume = ", "fills": ["depth * area"]})
    window = notebook.edit("area =")
    notebook.insert_below().type("depth = ")
    window.wait_for_ghost("width")
    window.press("Tab")
    window.wait_for_no_ghost()
    notebook.insert_below().type("volume = ")
    window.wait_for_ghost("depth * area")
    seen = [request["pieces"][0] for request in window.requests(script)]
    assert f"{ABOVE}area =\n\ndepth = width\n\nvolume = " in seen, seen


def test_an_instruction_rewrites_a_cell_and_undo_restores_it(notebook: Notebook, script: Script) -> None:
    script.rules({"fills": ["wide, high = 3, 4"]})
    window = notebook.edit("width, height").press("Control+a")
    window.command("Seedfill: Rewrite Selection…")
    window.choose("shorter names")
    eventually(lambda: notebook.sources()[0] == "wide, high = 3, 4", "the rewritten cell", notebook.sources)
    assert any(request["instruction"] == "shorter names" for request in window.requests(script))
    window.press("Control+z")
    eventually(lambda: notebook.sources()[0] == "width, height = 3, 4", "the cell as it was", notebook.sources)


def _notebook(cells: Sequence[tuple[str, str]]) -> dict[str, object]:
    code: dict[str, object] = {"execution_count": None, "outputs": []}
    return {
        "cells": [
            {"cell_type": kind, "metadata": {}, "source": [source], **(code if kind == "code" else {})}
            for kind, source in cells
        ],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
