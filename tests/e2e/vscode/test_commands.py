"""Each command of the palette does what its title says, seen as a person sees it; what the model says is a script."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from sampler.protocol.paths import default_model_folder
from tests.e2e.vscode.conftest import Open
from tests.e2e.vscode.workbench import VSCode, Window, eventually, write_program
from tests.support.lsp_scripted import Script

OTHER_MODEL = "another-model"


@pytest.fixture(scope="module")
def both(home: Path, scripted: Path, program: Path) -> Path:
    """A `seedfill` whose language server follows a script; its other commands are the real ones."""
    choice = f'if [ "$1" = lsp ]; then exec {scripted} "$@"; fi; exec {program} "$@"'
    return write_program(home / "bin" / "both", ["sh", "-c", choice, "seedfill"], {})


@pytest.fixture(scope="module")
def other_model(home: Path) -> Path:
    """A second model in the user's folder of models."""
    folder = home / "data" / "seedfill" / "models" / OTHER_MODEL
    shutil.copytree(default_model_folder(), folder)
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    config["seedfill"]["name"] = OTHER_MODEL
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def _window(both: Path, other_model: Path, open_window: Open) -> Window:
    return open_window(server__path=str(both)).ready()


@pytest.fixture
def window(_window: Window, script: Script) -> Window:
    script.rules({"before": "x = ", "fills": ["value"]})
    return _window


def ask(window: Window, suffix: str = ".py") -> Window:
    window.edit("value = 1\nx =║\n", suffix=suffix).type(" ")
    return window


def accept(window: Window) -> None:
    ask(window).wait_for_ghost("value")
    window.press("Tab")
    window.wait_for_text("value = 1\nx = value\n")


def pick_model(window: Window, number: int, name: str = "") -> None:
    window.edit("║\n").command("Seedfill: Pick Model…")
    window.page.locator(".quick-input-titlebar", has_text="Model").wait_for()
    rows = window.page.locator(".quick-input-list .monaco-list-row")
    eventually(lambda: rows.count() == 2, "two models", rows.all_inner_texts)
    assert name in rows.nth(number).inner_text()
    window.picture("models")
    window.press(*["ArrowDown"] * number, "Enter")
    rows.first.wait_for(state="hidden")


def test_show_why_says_what_became_of_the_last_suggestion(window: Window, script: Script) -> None:
    ask(window).wait_for_ghost("value")
    place = f"{window.file.name}:2:5  shown"
    report = window.show_why(script, place, 'shown "value"', 'written  "value"', "right with 73 %")
    assert "scripted on cpu" in report
    window.picture("show-why")


def test_show_statistics_counts_what_was_accepted(window: Window) -> None:
    accept(window)
    window.command("Seedfill: Show Statistics")
    report = window.wait_for_report("Suggestions shown", "sent nowhere")
    found = re.search(r"accepted +(\d+) \((\d+) %\)", report)
    assert found and int(found[1]) >= 1 and 0 < int(found[2]) <= 100, report
    window.picture("statistics")


def test_the_doctor_says_what_is_installed_and_what_runs(window: Window) -> None:
    window.edit("║\n").command("Seedfill: Run Doctor")
    window.wait_for_report("service  ", OTHER_MODEL, "languages  python")
    window.picture("doctor")


def test_show_log_shows_how_the_server_was_started(window: Window, both: Path) -> None:
    window.edit("║\n").command("Seedfill: Show Log")
    window.wait_for_log(f"Starting {both} lsp")


def test_repair_writes_lines_that_do_not_parse_anew(window: Window, script: Script) -> None:
    script.rules({"before": "a = 1\n", "fills": ["x = (a + 2)"]})
    window.edit("║a = 1\nx = (a +* 2)\nprint(x)\n").command("Seedfill: Repair")
    window.wait_for_text("a = 1\nx = (a + 2)\nprint(x)\n")
    window.focus()
    window.press("Control+z")
    window.wait_for_text("a = 1\nx = (a +* 2)\nprint(x)\n")


def test_where_nothing_is_to_be_repaired_that_is_said(window: Window) -> None:
    window.edit("║a = 1\n").command("Seedfill: Repair")
    assert "Seedfill: " in window.notification("parses")


def test_a_language_is_switched_off_and_on(window: Window, script: Script) -> None:
    title = "Seedfill: Switch Suggestions On or Off in This Language"
    window.edit("value = 1\nx =║\n").command(title)
    window.wait_for_status("off").type(" ")
    window.wait_for_text("value = 1\nx = \n")
    window.show_why(script, f"{window.file.name}:2:5  silent: Suggestions are not switched on for 'python'")
    assert not window.requests(script)
    window.edit("x =║\n").command(title)
    window.ready()
    ask(window).wait_for_ghost("value")
    window.edit("x =║\n", suffix=".js").wait_for_status("off")


def test_a_model_is_picked_and_used_from_then_on(
    window: Window, script: Script, other_model: Path, vscode: VSCode
) -> None:
    settings = vscode.folder / "user" / "Machine" / "settings.json"
    pick_model(window, 1, OTHER_MODEL)
    eventually(lambda: str(other_model) in settings.read_text(), "the machine's setting", settings.read_text)
    accept(window)
    assert window.requests(script)[-1]["model"] == str(other_model)
    pick_model(window, 0)
    eventually(lambda: str(other_model) not in settings.read_text(), "the machine's setting gone", settings.read_text)
    accept(window)
    assert window.requests(script)[-1]["model"] is None


def test_restart_ends_the_server_and_starts_another(window: Window, vscode: VSCode) -> None:
    (before,) = vscode.processes("lsp_scripted server")
    window.edit("║\n").command("Seedfill: Restart Server")
    window.wait_for_status("loading")  # the status of before says nothing of the new server
    window.ready()
    eventually(lambda: not before.is_running(), "the end of the old server")
    assert len(vscode.processes("lsp_scripted server")) == 1
    ask(window).wait_for_ghost("value")
