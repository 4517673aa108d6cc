"""A notebook: ghost text in its cells, made in sight of the others; what the model says is a script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Locator

from tests.e2e.vscode.conftest import Open
from tests.e2e.vscode.workbench import Window, eventually
from tests.support.lsp_scripted import Script

CELLS = (("code", "width, height = 3, 4"), ("markdown", "# Area"), ("code", "area ="), ("code", "print(area)"))
ABOVE = "width, height = 3, 4\n\n"
BELOW = "\n\nprint(area)"
FILL = "width * height"


class Notebook:
    """A notebook that is open in a window."""

    def __init__(self, window: Window, cells: Sequence[tuple[str, str]]) -> None:
        self.window = window
        self.file = window.file.with_name("analysis.ipynb")
        self.file.write_text(json.dumps(_notebook(cells)))
        window.open_file(self.file)
        self.cells = window.page.locator(".notebookOverlay .code-cell-row .monaco-editor .view-lines")
        self.cells.first.wait_for()

    def cell(self, text: str) -> Locator:
        """The code cell on screen that reads so."""
        return self.cells.filter(has_text=text).first

    def sources(self) -> list[str]:
        """The cells' texts, as they are saved."""
        self.window.save()
        return ["".join(cell["source"]) for cell in json.loads(self.file.read_text())["cells"]]


@pytest.fixture(scope="module")
def notebook(scripted: Path, open_window: Open) -> Notebook:
    return Notebook(open_window(server__path=str(scripted)).ready(), CELLS)


def test_a_cell_gets_ghost_text_made_in_sight_of_the_others_and_tab_accepts_it(
    notebook: Notebook, script: Script
) -> None:
    script.rules({"before": "area = ", "fills": [FILL]})
    window = notebook.window
    notebook.cell("area").click()
    window.press("Control+End")
    window.type(" ")
    window.wait_for_ghost(FILL)
    window.picture("notebook")
    (request, *_) = script.entries("request")
    assert request["pieces"] == [f"{ABOVE}area = ", BELOW]
    assert request["path"] == "analysis.ipynb"
    window.press("Tab")
    window.wait_for_no_ghost()
    eventually(lambda: notebook.sources()[2] == f"area = {FILL}", "the text in the cell", notebook.sources)


def test_why_nothing_came_names_the_place_in_the_cell(notebook: Notebook, script: Script) -> None:
    notebook.cell("print").click()
    notebook.window.press("Control+End")
    notebook.window.type(" ")
    eventually(lambda: script.entries("request"), "a request")
    notebook.window.command("Seedfill: Show Why")
    notebook.window.wait_for_report("analysis.ipynb:1:13", "The model wrote nothing.")
    notebook.window.press("Control+j")


def test_a_new_cell_is_seen_by_those_below(notebook: Notebook, script: Script) -> None:
    script.rules({"before": "depth = ", "fills": ["width"]}, {"before": "volume = ", "fills": ["depth * area"]})
    window = notebook.window
    notebook.cell("area = ").click()
    window.command("Notebook: Insert Code Cell Below")
    window.type("depth = ")
    window.wait_for_ghost("width")
    window.press("Tab")
    window.wait_for_no_ghost()
    window.command("Notebook: Insert Code Cell Below")
    window.type("volume = ")
    window.wait_for_ghost("depth * area")
    seen = [request["pieces"][0] for request in script.entries("request")]
    assert f"{ABOVE}area = {FILL}\n\ndepth = width\n\nvolume = " in seen, seen


def test_an_instruction_rewrites_a_cell_and_undo_restores_it(notebook: Notebook, script: Script) -> None:
    script.rules({"fills": ["wide, high = 3, 4"]})
    window = notebook.window
    notebook.cell("width, height").click()
    window.press("Control+a")
    window.command("Seedfill: Rewrite Selection…")
    window.choose("shorter names")
    eventually(lambda: notebook.sources()[0] == "wide, high = 3, 4", "the rewritten cell", notebook.sources)
    assert script.entries("request")[-1]["path"] == "analysis.ipynb"
    window.press("Control+z")
    eventually(lambda: notebook.sources()[0] == "width, height = 3, 4", "the cell as it was", notebook.sources)


def _notebook(cells: Sequence[tuple[str, str]]) -> dict[str, object]:
    code = {"execution_count": None, "outputs": []}
    return {
        "cells": [
            {"cell_type": kind, "metadata": {}, "source": [source], **(code if kind == "code" else {})}
            for kind, source in cells
        ],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
