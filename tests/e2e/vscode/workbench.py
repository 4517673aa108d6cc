"""A real VS Code: its server as a process, its workbench in a browser, driven by keys and read as it is shown."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode
from urllib.request import urlopen

import psutil
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
QUIET = {
    "security.workspace.trust.enabled": False,
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
    "workbench.welcomePage.walkthroughs.openOnInstall": False,
    "workbench.layoutControl.enabled": False,
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
    "files.autoSave": "afterDelay",
    "files.autoSaveDelay": 50,
}
T = TypeVar("T")

_tick = threading.Event()


def eventually(find: Callable[[], T], what: str, within_s: float = PATIENCE_S) -> T:
    """The first truthy value of `find`."""
    deadline = time.monotonic() + within_s
    while not (found := find()):
        assert time.monotonic() < deadline, f"{what} did not happen in {within_s:.0f} s"
        _tick.wait(0.02)
    return found


class VSCode:
    """VS Code's server with the packaged extension, and nothing else, installed."""

    def __init__(self, program: Path, extension: Path, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        folders = {"server-data-dir": "server", "user-data-dir": "user", "extensions-dir": "extensions"}
        self._command = [
            "node",
            str(program),
            "--accept-server-license-terms",
            *(f"--{option}={folder / name}" for option, name in folders.items()),
            "--telemetry-level=off",
        ]
        subprocess.run([*self._command, "--install-extension", str(extension)], check=True, timeout=PATIENCE_S)
        self.log = (folder / "server.log").open("wb")
        serve = ["--host=127.0.0.1", f"--port={self.port}", "--without-connection-token"]
        self.process = subprocess.Popen(
            [*self._command, *serve], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )
        eventually(self._answers, "the start of VS Code's server")

    def open(self, browser: Browser, file: Path, settings: Mapping[str, Any]) -> Window:
        """A fresh window of a fresh profile on the file's folder, with the file open."""
        for scope in ("User", "Machine"):
            path = self.folder / "user" / scope / "settings.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({**QUIET, **settings}))
        page = browser.new_context(viewport={"width": 1000, "height": 640}).new_page()
        payload = json.dumps([["openFile", f"vscode-remote://127.0.0.1:{self.port}{file}"]])
        query = urlencode({"folder": str(file.parent), "payload": payload}, quote_via=quote)
        page.goto(f"http://127.0.0.1:{self.port}/?{query}", wait_until="domcontentloaded")
        return Window(page, file, self)

    def write_setting(self, name: str, value: object) -> None:
        """Change a setting of this machine while windows are open."""
        path = self.folder / "user" / "Machine" / "settings.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))

    def descendants(self, *words: str) -> list[psutil.Process]:
        """The processes below the server whose command line holds all `words`."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if all(word in command_line(child) for word in words)]

    def close(self) -> None:
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        for child in psutil.wait_procs(children, timeout=5)[1]:
            child.kill()
        self.log.close()

    def _answers(self) -> bool:
        assert self.process.poll() is None, "VS Code's server ended"
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/version", timeout=5):
                return True
        except OSError:
            return False


class Window:
    """One browser page with a workbench in it."""

    def __init__(self, page: Page, file: Path, vscode: VSCode) -> None:
        self.page = page
        self.file = file
        self.vscode = vscode
        self._status = page.locator("[id='seedfill.seedfill.seedfill.status']")
        self._editor = page.locator(".editor-instance .view-lines")
        self._editor.wait_for(timeout=PATIENCE_S * 1000)

    def status(self) -> str:
        """What the status item says of itself: loading, ready, thinking, off or error; empty while there is none."""
        if not self._status.count():
            return ""
        label = self._status.locator("a").get_attribute("aria-label") or ""
        return label.removeprefix("Seedfill: ")

    def click_status(self) -> None:
        self._status.locator("a").click()

    def ready(self) -> Window:
        eventually(lambda: self.status() == "ready", "the status “ready”")
        return self

    def focus(self, keys: str = "Control+End") -> Window:
        """Put the cursor where `keys` take it."""
        self._editor.click()
        self.press(keys)
        return self

    def type(self, text: str, delay_ms: float = 30) -> None:
        self.page.keyboard.type(text, delay=delay_ms)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def command(self, title: str) -> None:
        """Run a command from the palette."""
        self.press("F1")
        box = self.page.locator(".quick-input-widget input").first
        box.wait_for(state="visible")
        box.fill(f">{title}")
        self.page.locator(".quick-input-list .monaco-list-row", has_text=title).first.wait_for()
        self.press("Enter")

    def ghost(self) -> str:
        """The ghost text on screen, its lines joined; empty where there is none."""
        return str(self.page.evaluate(GHOST_TEXT))

    def wait_for_ghost(self) -> str:
        return eventually(self.ghost, "ghost text")

    def text(self) -> str:
        """What the file holds: everything is saved at once."""
        return self.file.read_bytes().decode()

    def wait_for_text(self, expected: str) -> None:
        eventually(lambda: self.text() == expected, f"the file's text {expected!r}, which is {self.text()!r},")

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)

    def close(self) -> None:
        """Leave in good order: else the extension host and the language server live on for minutes."""
        self.page.goto("about:blank")
        self.page.context.close()


GHOST_TEXT = """() => {
    const text = (nodes) => [...nodes].map((node) => node.textContent).join("");
    const inline = text(document.querySelectorAll(".ghost-text-decoration, .ghost-text-decoration-preview"));
    const below = [...document.querySelectorAll(".suggest-preview-text .view-line, .ghost-text .view-line")];
    return [inline, ...below.map((line) => line.textContent)].join("\\n").replaceAll("\\u00a0", " ");
}"""


def write_program(path: Path, command: list[str], environment: Mapping[str, str]) -> Path:
    """A program that runs `command` with a further environment, whatever it is given to do."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\n{exports}exec {shlex.join(command)} "$@"\n')
    path.chmod(0o755)
    return path


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment_of_a_home(folder: Path) -> dict[str, str]:
    """XDG folders below `folder`; the socket's has to be short."""
    homes = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "DATA", "CACHE", "STATE")}
    return {**homes, "XDG_RUNTIME_DIR": str(folder), "PYTHONPATH": os.pathsep.join([str(ROOT)])}
