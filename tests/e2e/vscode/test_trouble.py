"""What a person sees when something is wrong, and what a workspace may not choose."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.vscode.conftest import Open
from tests.e2e.vscode.workbench import VSCode, Window, eventually, write_program
from tests.support.lsp_scripted import Script


def test_a_failing_model_is_visible_until_it_works_again(scripted: Path, script: Script, open_window: Open) -> None:
    script.rules({"before": "x = ", "fails": "The weights are damaged."}, {"before": "y = ", "fills": ["value"]})
    window = open_window(server__path=str(scripted)).ready()
    window.edit("value = 1\nx =║\n").type(" ")
    assert "Seedfill" in window.notification("The weights are damaged.")
    window.wait_for_status("error").click_status()
    window.wait_for_log(f"Starting {scripted} lsp")
    window.edit("value = 1\ny =║\n").type(" ")
    window.wait_for_ghost("value")
    window.ready()


def test_a_server_that_ends_at_once_is_said_to_and_not_started_again(
    tmp_path: Path, vscode: VSCode, open_window: Open
) -> None:
    starts = tmp_path / "starts"
    command = ["sh", "-c", f"echo started >>{starts}; echo The library is missing. >&2; exit 3"]
    program = write_program(tmp_path / "bin" / "seedfill", command, {})
    window = open_window(server__path=str(program)).wait_for_status("error")
    assert str(program) in window.notification("ended as soon as it was started")
    eventually(lambda: "The library is missing." in vscode.logs(), "the server's words in the log", vscode.logs)
    assert window.status() == "error"
    assert starts.read_text() == "started\n"


def test_a_path_to_nothing_is_said_to_be_that(open_window: Open) -> None:
    window = open_window(server__path="/nowhere/seedfill").wait_for_status("error")
    assert "seedfill.server.path" in window.notification("/nowhere/seedfill")


def test_an_untrusted_workspace_cannot_choose_the_program(
    home: Path, scripted: Path, script: Script, open_window: Open
) -> None:
    mark = home / "was-run"
    evil = write_program(home / "bin" / "evil", ["sh", "-c", f"touch {mark}"], {})
    own = {"seedfill.server.path": str(evil), "seedfill.sampler.model": "/tmp"}
    script.rules({"before": "y = ", "fills": ["value"]})
    window = open_window(of_workspace=own, server__path=str(scripted), is_trusted=False).ready()
    window.edit("value = 1\ny =║\n").type(" ")
    window.wait_for_ghost("value")
    assert not mark.exists()
    assert script.entries("request")[-1]["model"] is None


def test_an_installation_that_fails_says_why(tmp_path: Path, open_window: Open) -> None:
    window = open_window(install__wheelFolder=str(tmp_path))
    window.click_notification("Seedfill needs its server", "Install")
    assert "Installing the server failed: ERROR: " in window.notification("Installing the server failed")
    window.wait_for_status("error")


@pytest.fixture(autouse=True)
def _no_windows_left(windows: list[Window]) -> None:
    """Each test has windows of its own."""
    while windows:
        windows.pop().close()
