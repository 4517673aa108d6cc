"""The extension installs its server: from the wheel in the package and a folder of wheels, into a private folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.vscode.conftest import Open
from tests.e2e.vscode.wheels import write_hollow_wheels
from tests.e2e.vscode.workbench import ROOT, VSCode, Window, eventually, processes

OF_ANOTHER_VERSION = "server-000000000000"


@pytest.fixture
def storage(vscode: VSCode, windows: list[Window]) -> Iterator[Path]:
    """The folder that VS Code gives to the extension, with what an older version of it has installed."""
    folder = vscode.folder / "user" / "User" / "globalStorage" / "seedfill.seedfill"
    (folder / OF_ANOTHER_VERSION / "bin").mkdir(parents=True)
    yield folder
    while windows:
        windows.pop().close()
    for process in processes(str(folder)):
        process.kill()


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    write_hollow_wheels(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_server_is_installed_from_a_folder_of_wheels_and_leaves_nothing_behind(
    wheels: Path, storage: Path, vscode: VSCode, open_window: Open
) -> None:
    window = open_window(install__wheelFolder=str(wheels), server__python=sys.executable, completion__deadlineMs=60_000)
    window.click_notification("Seedfill needs its server", "Install")
    for step in ("making a Python environment", "installing"):
        window.page.locator(".notifications-toasts", has_text=step).wait_for()
    window.ready()
    (installed,) = storage.iterdir()
    assert installed.name != OF_ANOTHER_VERSION, "an older one is gone"
    assert len(vscode.processes(str(installed), " lsp")) == 1
    _gets_a_suggestion(window)
    assert len(processes(str(installed), "sampler.service")) == 1

    _uninstall(vscode)
    assert not storage.exists()
    eventually(lambda: not processes(str(installed), "sampler.service"), "the end of the sampler")


def _gets_a_suggestion(window: Window) -> None:
    """From the model in the wheel."""
    window.edit("items = [3, 1, 2]\nprint(sorted(║\n").press("Alt+Backslash")
    assert window.wait_for_ghost()


def _uninstall(vscode: VSCode) -> None:
    """Run what VS Code runs once it has removed the extension; the other tests still need that."""
    (manifest,) = (vscode.folder / "extensions").glob("seedfill.seedfill-*/package.json")
    hook = json.loads(manifest.read_text(encoding="utf-8"))["scripts"]["vscode:uninstall"]
    subprocess.run(hook.split(), cwd=manifest.parent, check=True, timeout=60)
