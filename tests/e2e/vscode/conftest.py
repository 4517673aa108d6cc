"""One VS Code and one browser for all tests; a window, a workspace and a sampler for each."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import psutil
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.vscode.workbench import (
    CHROMIUM,
    ROOT,
    VSCode,
    Window,
    environment_of_a_home,
    write_program,
)
from tests.support.lsp_scripted import COMMAND, Script

Open: TypeAlias = Callable[..., Window]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "chromium is missing: run tests/e2e/setup-vscode.sh"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*CHROMIUM])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def vscode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VSCode]:
    program = Path(os.environ["VSCODE"]) / "server-main.js"
    vscode = VSCode(program, ROOT / "vscode-client" / "seedfill.vsix", tmp_path_factory.mktemp("vscode"))
    yield vscode
    vscode.close()


@pytest.fixture
def home() -> Iterator[Path]:
    """A short folder for one test's sampler, which ends with the test."""
    folder = Path(tempfile.mkdtemp(prefix="sf-"))
    yield folder
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in argument for argument in process.info["cmdline"] or ()):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def open_window(vscode: VSCode, browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """A function that opens a window on a file with some text, with some settings."""
    windows: list[Window] = []

    def open_window(text: str, name: str = "shapes.py", **settings: Any) -> Window:
        file = tmp_path / "project" / name
        file.parent.mkdir()
        file.write_text(text)
        named = {f"seedfill.{key.replace('__', '.')}": value for key, value in settings.items()}
        windows.append(vscode.open(browser, file, named))
        return windows[-1]

    yield open_window
    for window in windows:
        window.close()


@pytest.fixture
def program(home: Path) -> Path:
    """The real `seedfill`, at home in the test's folder, with the model that comes with it."""
    command = [sys.executable, "-P", "-m", "seedfill"]
    return write_program(home / "bin" / "seedfill", command, environment_of_a_home(home))


@pytest.fixture
def script(home: Path) -> Script:
    script = Script(home)
    script.rules()
    return script


@pytest.fixture
def scripted(home: Path, script: Script) -> Path:
    """A `seedfill` that follows the script: the real server and the real service around it."""
    return write_program(home / "bin" / "scripted", [*COMMAND, "server"], {**environment_of_a_home(home), **script.env})
