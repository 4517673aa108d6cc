"""A real VS Code: its server as a process, its workbench in a browser, driven by keys and read as it is shown."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import urlopen

import psutil
from playwright.sync_api import Browser, Page, TimeoutError, ViewportSize

from lsp_server.completion.journal import last_record
from tests.support.lsp_scripted import Script

ROOT = Path(__file__).parents[3]
PICTURES = ROOT / "reports" / "e2e-vscode"
PATIENCE_S = float(os.environ.get("SEEDFILL_TEST_PATIENCE_S", "60"))
SAVING_MS = 2000
SIZE: ViewportSize = {"width": 1000, "height": 1000}
"""High enough for a whole report, and for all cells of a notebook: the workbench draws only what is in sight."""
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
QUIET = {
    "security.workspace.trust.enabled": False,
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
    "workbench.welcomePage.walkthroughs.openOnInstall": False,
    "workbench.layoutControl.enabled": False,
    "workbench.quickOpen.closeOnFocusLost": False,
    "workbench.editor.limit.enabled": True,
    "workbench.editor.limit.value": 1,
    "workbench.editor.empty.hint": "hidden",
    "chat.commandCenter.enabled": False,
    "window.commandCenter": False,
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "extensions.autoUpdate": False,
    "extensions.autoCheckUpdates": False,
    "extensions.ignoreRecommendations": True,
    "git.enabled": False,
    "editor.minimap.enabled": False,
    "editor.quickSuggestions": {"other": "off", "comments": "off", "strings": "off"},
    "editor.suggestOnTriggerCharacters": False,
    "editor.autoClosingBrackets": "never",
    "files.autoSave": "off",
}
"""The editor's own noise is off."""
T = TypeVar("T")

_tick = threading.Event()


def eventually(find: Callable[[], T], what: str, instead: Callable[[], object] | None = None) -> T:
    """The first truthy value of `find`; `instead` says what there is in its place."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := find()):
        if time.monotonic() > deadline:
            seen = f"; there is {instead()!r}" if instead else ""
            raise AssertionError(f"{what} did not come in {PATIENCE_S:.0f} s{seen}")
        _tick.wait(0.02)
    return found


class VSCode:
    """VS Code's server with the packaged extension, and nothing else, installed."""

    def __init__(self, program: Path, extension: Path, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        folders = {"server-data-dir": "server", "user-data-dir": "user", "extensions-dir": "extensions"}
        options = [f"--{option}={folder / name}" for option, name in folders.items()]
        self._command = ["node", str(program), "--accept-server-license-terms", "--telemetry-level=off", *options]
        self.log = (folder / "server.log").open("wb")
        self._run("--install-extension", str(extension))
        serve = ["--host=127.0.0.1", f"--port={self.port}", "--without-connection-token"]
        self.process = subprocess.Popen(
            [*self._command, *serve],
            env=_without_pip_settings(),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        eventually(self._answers, "the start of VS Code's server")

    def open(
        self,
        browser: Browser,
        file: Path,
        settings: Mapping[str, Any],
        *,
        workspace: Path | None = None,
        extensions: Sequence[Path] = (),
    ) -> Window:
        """A fresh window of a fresh profile on the file's folder, or on a workspace's file, with the file open.

        `extensions` are folders of further extensions that this window alone has.
        """
        for scope in ("User", "Machine"):
            write_settings(self.folder / "user" / scope / "settings.json", {**QUIET, **settings})
        # Without motion: a notification that still slides in moves away below the mouse, and the click is lost.
        page = browser.new_context(viewport=SIZE, reduced_motion="reduce").new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        here = f"vscode-remote://127.0.0.1:{self.port}"
        further = [["extensionDevelopmentPath", f"{here}{folder}"] for folder in extensions]
        payload = json.dumps([["openFile", f"{here}{file}"], *further])
        opened = {"workspace": str(workspace)} if workspace else {"folder": str(file.parent)}
        query = urlencode({**opened, "payload": payload}, quote_via=quote)
        page.goto(f"http://127.0.0.1:{self.port}/?{query}", wait_until="domcontentloaded")
        return Window(page, file)

    def logs(self) -> str:
        """What all windows' Seedfill logs hold."""
        return "".join(log.read_text() for log in self.folder.glob("user/logs/*/exthost*/seedfill.seedfill/*.log"))

    def processes(self, *words: str) -> list[psutil.Process]:
        """The processes below the server whose command line holds all `words`."""
        below = {child.pid for child in psutil.Process(self.process.pid).children(recursive=True)}
        return [process for process in processes(*words) if process.pid in below]

    def close(self) -> None:
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        for child in psutil.wait_procs(children, timeout=5)[1]:
            child.kill()
        self.log.close()

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [*self._command, *arguments],
            stdout=self.log,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, (self.folder / "server.log").read_text()

    def _answers(self) -> bool:
        assert self.process.poll() is None, "VS Code's server ended"
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/version", timeout=5):
                return True
        except OSError:
            return False


class Window:
    """One browser page with a workbench in it, and the file that is open there."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.file = file
        self._names = (f"{file.stem}_{i}" for i in count(1))
        self._status = page.locator("[id='seedfill.seedfill.seedfill.status'] a")
        self._editor = page.locator(".editor-instance .view-lines")
        self._focused_editor = page.locator(".editor-instance .monaco-editor.focused")
        self._lines_below = page.locator(".part.panel .view-lines").first
        self._editor.wait_for()

    def status(self) -> str:
        """What the status item says of itself: loading, ready, thinking, off or error; empty while there is none."""
        if not self._status.count():
            return ""
        return (self._status.get_attribute("aria-label") or "").removeprefix("Seedfill: ")

    def wait_for_status(self, *expected: str) -> Window:
        eventually(lambda: self.status() in expected, f"the status {' or '.join(expected)}", self.status)
        return self

    def click_status(self) -> None:
        self._status.click()

    def ready(self) -> Window:
        return self.wait_for_status("ready")

    def focus(self, *keys: str) -> Window:
        """Put the cursor where `keys` take it."""
        self._editor.click()
        self._focused_editor.wait_for()
        self.press(*keys)
        return self

    def edit(self, marked: str, suffix: str = ".py") -> Window:
        """Open a new file with the cursor at `║`."""
        before, _, after = marked.partition("║")
        self.file = self.new_file(suffix)
        self.file.write_bytes((before + after).encode())
        line, start = before.count("\n") + 1, before.rfind("\n") + 1
        column = len(before[start:].encode("utf-16-le")) // 2 + 1
        self.open_file(self.file, f":{line}:{column}")
        shown = len(before) - start + 1
        place = self.page.locator("[id='status.editor.selection'] a", has_text=re.compile(rf"Ln {line}, Col {shown}\b"))
        place.wait_for()
        self._focused_editor.wait_for()
        return self.settle()

    def settle(self) -> Window:
        """Wait for what an editor puts off until the workbench is idle: only then does typing ask for suggestions."""
        self.page.evaluate(IS_IDLE)
        return self

    def new_file(self, suffix: str) -> Path:
        """The name of a file that there is not yet, beside the one that is open."""
        return self.file.with_name(next(self._names) + suffix)

    def open_file(self, file: Path, place: str = "") -> None:
        """Open a file by its name, at `:LINE:COL`."""
        self.press("Control+p")
        self._fill_quick_input(f"{file}{place}", row=file.name)
        self.page.locator(".tab.active", has_text=file.name).wait_for()

    def type(self, text: str, delay_ms: float = 30) -> None:
        self.page.keyboard.type(text, delay=delay_ms)

    def press(self, *keys: str) -> Window:
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def command(self, title: str) -> None:
        """Run a command from the palette."""
        self.press("F1")
        self._fill_quick_input(f">{title}", row=title)

    def add_cursors_below(self, n: int) -> None:
        """Add `n` cursors, each below the one before."""
        cursors = self.page.locator(".editor-instance .cursors-layer .cursor")
        for _ in range(n):
            n_wanted = cursors.count() + 1
            self.command("Add Cursor Below")
            cursors.nth(n_wanted - 1).wait_for(state="attached")

    def choose(self, row: str) -> None:
        """Choose a row of the list that is shown."""
        self._fill_quick_input(row, row=row)

    def answer(self, text: str) -> None:
        """Answer the input box that is shown."""
        self._fill_quick_input(text)

    def ghost(self) -> str:
        """The ghost text on screen, its lines joined; empty where there is none."""
        return str(self.page.evaluate(GHOST_TEXT))

    def wait_for_ghost(self, expected: str | None = None) -> str:
        if expected is None:
            return eventually(self.ghost, "ghost text")
        eventually(lambda: self.ghost() == expected, f"the ghost text {expected!r}", self.ghost)
        return expected

    def wait_for_no_ghost(self) -> None:
        eventually(lambda: not self.ghost(), "the end of the ghost text")

    def wait_for_indentation(self, expected: str, timeout_ms: float) -> None:
        """Wait until the status bar names this indentation of the file that is open."""
        self.page.locator("[id='status.editor.indentation'] a", has_text=expected).wait_for(timeout=timeout_ms)

    def wait_for_line(self, start: str) -> None:
        """Wait until a line on screen starts so; ghost text may follow."""
        pattern = re.compile("^" + re.escape(start).replace(r"\ ", r"\s"))
        self.page.locator(".view-line", has_text=pattern).first.wait_for()

    def text(self) -> str:
        """The text, after saving what is not saved."""
        self.save()
        return self.file.read_bytes().decode()

    def save(self) -> None:
        """Save what is not saved; a busy machine is given time for it before it is asked again."""
        unsaved = self.page.locator(".tab.active.dirty")
        if unsaved.count():
            self.press("Control+s")
            with contextlib.suppress(TimeoutError):
                unsaved.wait_for(state="detached", timeout=SAVING_MS)

    def wait_for_text(self, expected: str) -> None:
        eventually(lambda: self.text() == expected, f"the text {expected!r}", self.text)

    def notification(self, text: str) -> str:
        """The whole of the notification that holds `text`."""
        item = self.page.locator(".notifications-toasts .notification-list-item-message", has_text=text).first
        item.wait_for()
        return item.inner_text()

    def click_notification(self, text: str, button: str) -> None:
        item = self.page.locator(".notifications-toasts .notification-list-item", has_text=text).first
        item.locator(".monaco-button", has_text=button).first.click()

    def wait_for_report(self, *expected: str) -> str:
        """The text of the panel below the editor, as soon as it holds all that is expected."""
        self._lines_below.wait_for()

        def found() -> str:
            text = self._text_below()
            return text if text.strip() and all(words in text for words in expected) else ""

        return eventually(found, f"a report with {expected}", self._text_below)

    def show_why(self, script: Script, *expected: str) -> str:
        """What is said of the request for the file that is open, as soon as all that is expected is said.

        That the request has ended is waited for: the palette takes the focus, which calls it off, and the report is of
        the moment when it was asked for.
        """
        note = partial(last_record, script.folder / "state" / "seedfill")
        eventually(lambda: self._is_of_this_file(note()), "a note of the request", note)
        self.command("Seedfill: Show Why")
        return self.wait_for_report(*expected)

    def wait_for_log(self, words: str) -> None:
        """Wait until the log comes up below the editor, which takes the focus, and holds `words`.

        The panel draws only what is in sight, and the log is as long as it is: its filter leaves nothing else there.
        """
        self.page.locator(".part.panel .monaco-editor.focused").wait_for()
        search = self.page.locator(".part.panel input[placeholder='Filter']")
        search.fill(words)
        self.page.locator(".output-view .view-line", has_text=words).first.wait_for()
        search.fill("")

    def requests(self, script: Script) -> list[dict[str, Any]]:
        """What the sampler was asked for the file that is open.

        It may have been asked for others meanwhile: on a machine with time to spare, what follows a suggestion is
        prepared, and a test before this one may have left such a request.
        """
        return [request for request in script.entries("request") if Path(request["path"]).name == self.file.name]

    @contextlib.contextmanager
    def film(self) -> Iterator[list[str]]:
        """The ghost texts of all frames that are drawn meanwhile; complete at the end."""
        frames: list[str] = []
        self.page.evaluate(START_FILM)
        yield frames
        frames += self.page.evaluate(END_FILM)

    def picture(self, name: str) -> None:
        """Keep what is on screen among the reports."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")

    def reload(self) -> Window:
        """Open the same window once more."""
        self.page.reload(wait_until="domcontentloaded")
        self._editor.wait_for()
        return self

    def close(self) -> None:
        """Leave in good order: else the extension host and the language server live on for minutes."""
        if not self.page.is_closed():
            self.page.goto("about:blank")
            self.page.context.close()

    def _is_of_this_file(self, record: Mapping[str, Any] | None) -> bool:
        return record is not None and Path(urlsplit(record["document"]).path).name == self.file.name

    def _text_below(self) -> str:
        return self._lines_below.inner_text().replace("\u00a0", " ")

    def _fill_quick_input(self, text: str, row: str | None = None) -> None:
        box = self.page.locator(".quick-input-widget:visible input[type=text]").first
        box.wait_for(state="visible")
        box.fill(text)
        if row is not None:
            chosen = self.page.locator(".quick-input-list .monaco-list-row.focused", has_text=row).first
            chosen.wait_for()
        self.press("Enter")
        eventually(lambda: self.page.evaluate(IS_ANSWERED, text), "the end of the list")


GHOST_TEXT = """() => {
    const text = (nodes) => [...nodes].map((node) => node.textContent).join("");
    const inline = text(document.querySelectorAll(".ghost-text-decoration, .ghost-text-decoration-preview"));
    const below = [...document.querySelectorAll(".suggest-preview-text .view-line, .ghost-text .view-line")];
    return [inline, ...below.map((line) => line.textContent)].join("\\n").replaceAll("\\u00a0", " ");
}"""


IS_ANSWERED = """(text) => {
    const list = document.querySelector(".quick-input-widget");
    return list.style.display === "none" || list.querySelector("input[type=text]").value !== text;
}"""
"""The list is gone, or another one has come in its place."""

IS_IDLE = "() => new Promise((resolve) => requestIdleCallback(resolve, { timeout: 5000 }))"
"""What the workbench has put off before is done first, and it waits no longer than that either."""

START_FILM = f"""() => {{
    const ghost = {GHOST_TEXT};
    window.film = [];
    window.isFilming = true;
    const draw = () => {{
        window.film.push(ghost());
        if (window.isFilming) requestAnimationFrame(draw);
    }};
    draw();
}}"""


END_FILM = """() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
    window.isFilming = false;
    resolve(window.film);
})))"""
"""What is on screen now is in the film, too: a frame more is drawn before it ends."""


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings))


def write_program(path: Path, command: list[str], environment: Mapping[str, str]) -> Path:
    """A program that runs `command` with a further environment, whatever it is given to do."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\n{exports}exec {shlex.join(command)} "$@"\n')
    path.chmod(0o755)
    return path


def processes(*words: str) -> list[psutil.Process]:
    """The processes whose command line holds all `words`."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if all(word in " ".join(process.info["cmdline"] or ()) for word in words)
    ]


def environment_of_a_home(folder: Path) -> dict[str, str]:
    """XDG folders below `folder`, the socket's has to be short; and bytecode is kept, as an installation has it."""
    homes = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "DATA", "CACHE", "STATE")}
    return {**homes, "XDG_RUNTIME_DIR": str(folder), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}


def _without_pip_settings() -> dict[str, str]:
    """This environment, in which pip finds nothing but what it is told of."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return {**kept, "PIP_CONFIG_FILE": os.devnull}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
