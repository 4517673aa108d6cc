"""A workspace of two folders: suggestions in both, each with its own settings and its own ignored files."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError

from tests.e2e.vscode.conftest import Open
from tests.e2e.vscode.workbench import Window, eventually, write_settings
from tests.support.lsp_scripted import Script

SETTINGS = {
    "api": {"seedfill.completion.maxTokens": 7, "editor.tabSize": 3},
    "tools": {"seedfill.completion.maxTokens": 9, "seedfill.completion.enabled": True},
}
TEXT = "value = 1\nx =║\n"
RULE = {"before": "x = ", "fills": ["value"]}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folders = tmp_path_factory.mktemp("workspace")
    for name, settings in SETTINGS.items():
        write_settings(folders / name / ".vscode" / "settings.json", settings)
    (folders / "tools" / ".gitignore").write_text("*_private.py\n")
    (folders / "all.code-workspace").write_text(json.dumps({"folders": [{"path": name} for name in SETTINGS]}))
    return folders


@pytest.fixture(scope="module")
def _window(scripted: Path, open_window: Open, folders: Path) -> Window:
    file = folders / "api" / "start.py"
    file.write_text("")
    window = open_window(file=file, workspace=folders / "all.code-workspace", server__path=str(scripted))
    # On a slow machine VS Code now and then opens a workspace without the settings of its folders, whatever extensions
    # there are, and reads them only when it is opened again.
    for _ in range(3):
        with contextlib.suppress(TimeoutError):
            window.wait_for_indentation(f"Spaces: {SETTINGS['api']['editor.tabSize']}", timeout_ms=10_000)
            break
        window.reload()
    return window.ready()


@pytest.fixture
def window(_window: Window, script: Script) -> Window:
    script.rules(RULE)
    return _window


def edit(window: Window, folder: Path, suffix: str = ".py") -> Window:
    window.file = folder / "shapes.py"
    return window.edit(TEXT, suffix=suffix)


def test_each_folder_has_suggestions_by_its_own_settings(window: Window, script: Script, folders: Path) -> None:
    for name in SETTINGS:
        edit(window, folders / name).type(" ")
        window.wait_for_ghost("value")
        window.press("Tab")
        window.wait_for_text("value = 1\nx = value\n")
    limits = {request["path"]: request["max_tokens"] for request in script.entries("request")}
    assert set(limits.values()) == {7, 9}, limits


def test_a_file_that_one_folder_ignores_is_left_alone(window: Window, script: Script, folders: Path) -> None:
    edit(window, folders / "tools", suffix="_private.py").type(" ")
    window.wait_for_status("off")
    window.show_why(script, f"{window.file.name}:2:5", "is excluded by", ".gitignore")
    window.press("Control+j")
    assert not window.requests(script)
    edit(window, folders / "api", suffix="_private.py").type(" ")
    window.wait_for_ghost("value")
    window.ready()


def test_switching_off_where_the_folder_says_so_keeps_to_the_folder(window: Window, folders: Path) -> None:
    own = folders / "tools" / ".vscode" / "settings.json"
    edit(window, folders / "tools").ready()
    window.command("Seedfill: Switch Suggestions On or Off")
    window.wait_for_status("off")
    eventually(lambda: '"seedfill.completion.enabled": false' in own.read_text(), "the folder's setting", own.read_text)
    edit(window, folders / "api").ready().type(" ")
    window.wait_for_ghost("value")
    edit(window, folders / "tools").wait_for_status("off")
