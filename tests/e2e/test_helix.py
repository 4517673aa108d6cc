"""Suggestions in a real Helix, which has no ghost text: the completion list, in a terminal as a person sees it.

`run-helix.sh` runs this; HELIX names the program that `setup-helix.sh` unpacked.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.lsp_scripted import COMMAND, Script

pytestmark = [
    pytest.mark.skipif(not os.environ.get("HELIX"), reason="Helix's packages cannot be had here"),
    pytest.mark.skipif(not shutil.which("tmux"), reason="tmux, the terminal that Helix runs in, is not installed"),
]

ROOT = Path(__file__).parent.parent.parent
TIMEOUT_S = 30.0

LANGUAGES = """
[language-server.seedfill]
command = "{program}"
args = {arguments}
config = {{ completion = {{ fallback = true, debounceMs = 0 }} }}

[[language]]
name = "python"
language-servers = ["seedfill"]
"""

_tick = threading.Event()


def eventually(holds: Callable[[], object], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, f"within {TIMEOUT_S:.0f} s:\n{what()}"
        _tick.wait(0.02)


class Helix:
    """One Helix in a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        self.script = Script(folder)
        self.script.rules()
        self.folder = folder
        self.file = folder / "project" / "a.py"
        self._terminal = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]

    def open(self, text: str) -> None:
        """Start with a file, its cursor at the `║`."""
        before, _, after = text.partition("║")
        self.file.parent.mkdir()
        self.file.write_text(before + after, encoding="utf-8")
        program, *arguments = [*COMMAND, "server"]
        config = self.folder / "config" / "helix"
        config.mkdir(parents=True)
        (config / "languages.toml").write_text(LANGUAGES.format(program=program, arguments=arguments))
        environment = {
            **{f"XDG_{name}_HOME": str(self.folder / name.lower()) for name in ("CONFIG", "DATA", "CACHE", "STATE")},
            **self.script.env,
            "XDG_RUNTIME_DIR": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
        }
        place = f"{before.count(chr(10)) + 1}:{len(before.rpartition(chr(10))[2]) + 1}"
        settings = [f"{name}={value}" for name, value in environment.items()]
        line = shlex.join(["env", *settings, os.environ["HELIX"], f"{self.file}:{place}"])
        self._tmux("new-session", "-d", "-x", "100", "-y", "20", line)
        self.shows("NOR")
        eventually(self._service_runs, self.screen)  # opening a file starts it: the server has the document

    def insert(self, text: str) -> None:
        """Type before the cursor."""
        self.keys("i")
        self.shows("INS")
        self.type(text)

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux' names."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        if text:
            self._tmux("send-keys", "-l", text)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def shows(self, text: str) -> None:
        eventually(lambda: text in self.screen(), self.screen)

    def saves(self, text: str) -> None:
        """Write the file and see `text` in it."""
        if "NOR" not in self.screen():
            self.keys("Escape")
            self.shows("NOR")  # a key that follows at once would make it Alt and that key
        self.keys(":")
        self.type("w")
        self.keys("Enter")
        eventually(lambda: self._written() == text, self.screen)

    def _written(self) -> str | None:
        """What the file holds; None for the moment in which Helix puts a new one into its place."""
        try:
            return self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def close(self) -> None:
        subprocess.run([*self._terminal, "kill-server"], capture_output=True, check=False)

    def _service_runs(self) -> bool:
        pane = psutil.Process(int(self._tmux("display-message", "-p", "#{pane_pid}")))
        return any(process.cmdline()[2:4] == [*COMMAND[2:], "service"] for process in pane.children(recursive=True))

    def _tmux(self, *arguments: str) -> str:
        return subprocess.run([*self._terminal, *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def helix(tmp_path: Path) -> Iterator[Helix]:
    helix = Helix(tmp_path)
    yield helix
    helix.close()


def test_a_suggestion_is_an_item_of_the_completion_list_and_undo_takes_it_back(helix: Helix) -> None:
    helix.script.rules({"before": "return val", "fills": ["ue * 2"]})
    helix.open("def f(value):\n    return ║\n")
    helix.insert("val")
    helix.shows("value * 2")
    helix.keys("Tab", "Enter")
    helix.saves("def f(value):\n    return value * 2\n")
    helix.keys("u")
    helix.saves("def f(value):\n    return val\n")


def test_a_suggestion_of_several_lines_asked_for_by_hand(helix: Helix) -> None:
    helix.script.rules({"before": "def f():\n    ", "fills": ["x = [\n        '${1}',\n    ]"]})
    helix.open("def f():\n    ║\n\nz = 1\n")
    helix.insert("")
    helix.keys("C-x")
    helix.shows("x = [ text")
    helix.keys("Tab", "Enter")
    helix.saves("def f():\n    x = [\n        '${1}',\n    ]\n\nz = 1\n")


def test_positions_behind_an_emoji(helix: Helix) -> None:
    helix.script.rules({"before": "s = '😀é' + ta", "fills": ["il"]})
    helix.open("s = '😀é' + ║\nz = 1\n")
    helix.insert("ta")
    helix.shows("tail")
    helix.keys("Tab", "Enter")
    helix.saves("s = '😀é' + tail\nz = 1\n")


def test_a_code_action_does_what_a_comment_says_and_undo_takes_it_back(helix: Helix) -> None:
    before = "# seedfill: spaces\ndef add(a, b):\n    return a+b\n"
    helix.script.rules({"before": "spaces\n", "fills": ["def add(a, b):\n    return a + b"]})
    helix.open("║" + before)
    helix.keys("Space")
    helix.keys("a")
    helix.shows("Do what the comment says: spaces")
    helix.keys("Enter")
    helix.shows("return a + b")
    helix.saves("def add(a, b):\n    return a + b\n")
    helix.keys("u")
    helix.saves(before)
