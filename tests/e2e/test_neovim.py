"""Ghost text in a real Neovim, over the real server and service; the model is a script, and the shipped one once.

`run-neovim.sh` runs this; NVIM names the program that `setup-neovim.sh` unpacked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
import pytest

from tests.support.lsp_scripted import COMMAND, Script

HERE = Path(__file__).parent
TIMEOUT_S = 60.0
T = TypeVar("T")

_tick = threading.Event()


def eventually(find: Callable[[], T], what: str) -> T:
    """The first truthy value of `find`."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        if found := find():
            return found
        _tick.wait(0.01)
    raise AssertionError(f"{what} did not happen in {TIMEOUT_S:.0f} s")


class Neovim:
    """One Neovim without a window, driven through its own remote interface as a person's keys would."""

    def __init__(self, program: str, folder: Path, script: Script) -> None:
        self.program = program
        self.folder = folder
        self.script = script
        self.environment = {
            **os.environ,
            **script.env,
            **{f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "DATA", "CACHE", "STATE")},
            "XDG_RUNTIME_DIR": str(folder),
            "SEEDFILL_TEST_COMMAND": json.dumps([*COMMAND, "server"]),
            "SEEDFILL_TEST_OPTIONS": json.dumps({"completion": {"debounceMs": 0}}),
            "PYTHONPATH": str(HERE.parent.parent),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def open(self, text: str, name: str = "a.py") -> Self:
        """Start with a file, its cursor at the end of the line that ends with `║`, in insert mode."""
        project = self.folder / "project"
        (project / ".git").mkdir(parents=True)
        before, _, after = text.partition("║")
        (project / name).write_bytes((before + after).encode())
        self.socket = str(self.folder / "nvim.sock")
        keys = ["--clean", "-n", "--headless", "--listen", self.socket, "-u", str(HERE / "neovim.lua")]
        self.process = subprocess.Popen(
            [self.program, *keys, str(project / name)],
            env=self.environment,
            cwd=project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: Path(self.socket).exists(), "Neovim's start")
        eventually(lambda: self.lua("Test.ready()"), "the server's start")
        self.lua(f"vim.api.nvim_win_set_cursor(0, {{{before.count(chr(10)) + 1}, 0}})")
        self.keys("A")
        eventually(lambda: self.lua("Test.mode()") == "i", "insert mode")
        return self

    def lua(self, expression: str) -> Any:
        """The value of a Lua expression."""
        quoted = expression.replace("'", "''")
        remote = self._remote("--remote-expr", f"luaeval('vim.json.encode(({quoted}) or vim.NIL)')")
        return json.loads(remote)

    def keys(self, keys: str) -> None:
        """Type."""
        self._remote("--remote-send", keys)

    def ghost(self) -> str | None:
        """The ghost text at the cursor."""
        ghosts = self.lua("Test.ghosts()")
        line, column = self.lua("{vim.fn.line('.') - 1, vim.fn.col('.') - 1}")
        at_cursor = [ghost["text"] for ghost in ghosts if (ghost["line"], ghost["column"]) == (line, column)]
        assert len(at_cursor) == len(ghosts), f"a ghost text stands elsewhere than at the cursor: {ghosts}"
        return at_cursor[0] if at_cursor else None

    def lines(self) -> list[str]:
        return list(self.lua("Test.lines()"))

    def asked(self, n: int) -> list[dict[str, Any]]:
        """The requests that came to the service, at least `n`."""
        return eventually(lambda: entries if len(entries := self.script.entries("request")) >= n else [], "a request")

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _remote(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.program, "--server", self.socket, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=True,
        )
        return done.stdout or done.stderr


@pytest.fixture
def neovim(tmp_path: Path) -> Iterator[Neovim]:
    script = Script(tmp_path)
    script.rules()
    neovim = Neovim(os.environ["NVIM"], tmp_path, script)
    yield neovim
    neovim.close()


BODY = "[\n        x * 2\n        for x in range(10)\n    ]"


def test_ghost_text_appears_and_tab_accepts_it_and_undo_takes_it_back(neovim: Neovim) -> None:
    neovim.script.rules({"before": "return ", "fills": [BODY + "\n"]})
    neovim.open("def f():\n    return ║\n\nz = 1\n")
    before = neovim.lines()
    assert eventually(neovim.ghost, "ghost text") == BODY
    assert neovim.lines() == before, "ghost text is not in the buffer"
    neovim.keys("<Tab>")
    accepted = ["def f():", *f"    return {BODY}".split("\n"), "", "z = 1"]
    eventually(lambda: neovim.lines() == accepted, "the accepted text")
    assert neovim.ghost() is None
    neovim.keys("<Esc>u")
    eventually(lambda: neovim.lines() == before, "undo")


def test_the_rest_of_the_line_stays(neovim: Neovim) -> None:
    neovim.script.rules({"before": "print(", "fills": ["value)\nmore"]})
    neovim.open("print()║\n")
    neovim.keys("<Left>")
    assert eventually(neovim.ghost, "ghost text") == "value"
    neovim.keys("<Tab>")
    eventually(lambda: neovim.lines() == ["print(value)"], "the accepted text")


def test_positions_behind_an_emoji(neovim: Neovim) -> None:
    neovim.script.rules({"before": "s = '😀é' + ", "fills": ["tail"]})
    neovim.open("s = '😀é' + ║\nz = 1\n")
    assert eventually(neovim.ghost, "ghost text") == "tail"
    neovim.keys("<Tab>")
    eventually(lambda: neovim.lines() == ["s = '😀é' + tail", "z = 1"], "the accepted text")


def test_a_file_with_carriage_returns(neovim: Neovim) -> None:
    neovim.script.rules({"before": "if x:", "fills": ["\n    y()\n    z()"]})
    neovim.open("a = 1\r\nif x:║\r\nb = 2\r\n")
    eventually(neovim.ghost, "ghost text")
    assert neovim.asked(1)[0]["pieces"] == ["a = 1\nif x:", "\nb = 2\n"]
    neovim.keys("<Tab>")
    eventually(lambda: neovim.lines() == ["a = 1", "if x:", "    y()", "    z()", "b = 2"], "the accepted text")


def test_typing_what_is_suggested_keeps_it_without_asking_again(neovim: Neovim) -> None:
    neovim.script.rules({"before": "total = ", "fills": ["sum(values)"]})
    neovim.open("total = ║\n")
    assert eventually(neovim.ghost, "ghost text") == "sum(values)"
    neovim.keys("su")
    eventually(lambda: neovim.lines() == ["total = su"] and neovim.ghost() == "m(values)", "the rest of it")
    neovim.keys("<Tab>")
    eventually(lambda: neovim.lines() == ["total = sum(values)"], "the accepted text")
    assert [entry["pieces"][0] for entry in neovim.script.entries("request")].count("total = su") == 0


def test_tab_accepts_nothing_that_no_longer_fits(neovim: Neovim) -> None:
    """Between two requests Neovim still shows the old text."""
    neovim.script.rules({"before": "total = ", "fills": ["sum(values)"]}, {"before": "x", "fills": [], "until": "go"})
    neovim.open("total = ║\n")
    eventually(neovim.ghost, "ghost text")
    neovim.keys("x<Tab>y")
    eventually(lambda: neovim.lines() == ["total = xy"], "typing")


def test_an_answer_that_typing_has_overtaken_is_never_shown(neovim: Neovim) -> None:
    neovim.script.rules({"before": "x = ", "fills": ["OLD"], "until": "go"}, {"before": "abc", "fills": ["NEW"]})
    neovim.open("x = ║\n")
    neovim.asked(1)
    neovim.keys("abc")
    neovim.asked(2)
    neovim.script.release("go")
    shown = eventually(neovim.ghost, "ghost text")
    assert shown == "NEW"


def test_leaving_insert_mode_cancels_what_was_asked(neovim: Neovim) -> None:
    neovim.script.rules({"before": "x = ", "fills": ["OLD"], "until": "never"})
    neovim.open("x = ║\n")
    neovim.asked(1)
    neovim.keys("abc<Esc>")
    eventually(lambda: neovim.script.entries("cancelled"), "the end of the request in the service")
    assert neovim.lines() == ["x = abc"]
    assert neovim.ghost() is None


def test_the_shipped_model_continues_code(neovim: Neovim) -> None:
    command = [sys.executable, "-P", "-m", "lsp_server", "--stdio", "--sampler", "private"]
    neovim.environment["SEEDFILL_TEST_COMMAND"] = json.dumps(command)
    neovim.environment["SEEDFILL_TEST_OPTIONS"] = json.dumps({"completion": {"deadlineMs": 60_000}})
    start = "class Stack:\n    def __init__(self):\n        self.items = []\n"
    neovim.open(f"{start}\n    def __len__(self):\n        return len(║\n")
    ghost = eventually(neovim.ghost, "ghost text")
    assert ghost
    neovim.keys("<Tab>")
    eventually(lambda: neovim.lines()[-1] == f"        return len({ghost}", "the accepted text")


def test_the_server_leaves_with_neovim(neovim: Neovim) -> None:
    neovim.script.rules({"fills": ["1"]})
    neovim.open("x = ║\n")
    eventually(neovim.ghost, "ghost text")
    assert neovim.process
    children = psutil.Process(neovim.process.pid).children(recursive=True)
    assert any("lsp_scripted" in " ".join(child.cmdline()) for child in children)
    neovim.close()
    gone, alive = psutil.wait_procs(children, timeout=TIMEOUT_S)
    assert not alive, "the server and its service outlive the editor"
