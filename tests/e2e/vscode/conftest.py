"""One VS Code and one browser for all tests; a sampler for each module of tests, and windows that its tests share."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import psutil
import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from tests.e2e.vscode.workbench import (
    CHROMIUM,
    ROOT,
    VSCode,
    Window,
    environment_of_a_home,
    write_program,
    write_settings,
)
from tests.support.lsp_scripted import COMMAND, Script

Open: TypeAlias = Callable[..., Window]
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


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


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A short folder for a module's sampler, which ends with the module."""
    folder = Path(tempfile.mkdtemp(prefix="sf-"))
    yield folder
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in argument for argument in process.info["cmdline"] or ()):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def windows() -> Iterator[list[Window]]:
    """The module's windows, those opened last at the end."""
    windows: list[Window] = []
    yield windows
    for window in windows:
        window.close()


@pytest.fixture(scope="module")
def open_window(
    vscode: VSCode, browser: Browser, tmp_path_factory: pytest.TempPathFactory, windows: list[Window]
) -> Open:
    """A function that opens a window on a project of one file, with some settings of the extension.

    Instead of that file another can be named, a workspace around it, and folders of further extensions.
    """

    def open_window(
        *,
        text: str = "",
        file: Path | None = None,
        workspace: Path | None = None,
        extensions: Sequence[Path] = (),
        of_workspace: dict[str, Any] | None = None,
        is_trusted: bool = True,
        **settings: Any,
    ) -> Window:
        if file is None:
            file = tmp_path_factory.mktemp("project") / "shapes.py"
            file.write_text(text)
        if of_workspace:
            write_settings(file.parent / ".vscode" / "settings.json", of_workspace)
        named = {f"seedfill.{key.replace('__', '.')}": value for key, value in settings.items()}
        if not is_trusted:
            named |= {"security.workspace.trust.enabled": True, "security.workspace.trust.startupPrompt": "never"}
        windows.append(vscode.open(browser, file, named, workspace=workspace, extensions=extensions))
        return windows[-1]

    return open_window


@pytest.fixture(autouse=True)
def _picture_of_failure(request: pytest.FixtureRequest, windows: list[Window]) -> Iterator[None]:
    yield
    if request.node.stash[FAILED]:
        for i, window in enumerate(windows):
            try:
                window.picture(f"failure-{request.node.name}-{i}")
            except Error as error:
                print(f"No picture of window {i}: {error}")


@pytest.fixture(scope="module")
def program(home: Path) -> Path:
    """The real `seedfill`, at home in the module's folder, with the model that comes with it."""
    command = [sys.executable, "-P", "-m", "seedfill"]
    return write_program(home / "bin" / "seedfill", command, environment_of_a_home(home))


@pytest.fixture(scope="module")
def scripted(home: Path) -> Path:
    """A `seedfill` that follows a script: the real server and the real service around it."""
    environment = {**environment_of_a_home(home), **Script(home).env}
    return write_program(home / "bin" / "scripted", [*COMMAND, "server"], environment)


@pytest.fixture
def script(home: Path) -> Script:
    """The script that the module's services follow, with nothing in it."""
    script = Script(home)
    script.rules()
    (home / "requests.jsonl").unlink(missing_ok=True)
    return script
