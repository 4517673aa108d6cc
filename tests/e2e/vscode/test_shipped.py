"""The packaged extension, the real server, the real service and the model that comes with it."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.vscode.conftest import Open
from tests.e2e.vscode.workbench import eventually

TEXT = (
    "class Box:\n"
    "    def __init__(self, width, height, depth):\n"
    "        self.width = width\n"
    "        self.height = height\n"
)


def test_ghost_text_of_the_shipped_model_appears_and_tab_accepts_it(program: Path, open_window: Open) -> None:
    window = open_window(TEXT, server__path=str(program), completion__deadlineMs=60_000).ready().focus()
    window.type("        self.depth = ")
    ghost = window.wait_for_ghost()
    window.press("Tab")
    eventually(lambda: not window.ghost(), "the end of the ghost text")
    window.wait_for_text(f"{TEXT}        self.depth = {ghost}")
