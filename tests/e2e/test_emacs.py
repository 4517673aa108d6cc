"""Suggestions and edits in a real Emacs: completion, code action, undo with eglot; ghost text with lsp-mode.

`run-emacs.sh` runs this; EMACS names the program that `setup-emacs.sh` unpacked.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.lsp_scripted import COMMAND, Script

pytestmark = pytest.mark.skipif(not os.environ.get("EMACS"), reason="Emacs' packages cannot be had here")

HERE = Path(__file__).parent
TIMEOUT_S = 120.0


class Emacs:
    """An Emacs without a terminal that plays one scenario of emacs.el, or of lsp-mode.el."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = Script(folder)
        self.script.rules()

    def play(self, text: str, scenario: str, argument: str, client: str = "eglot") -> list[str]:
        """What the buffer holds after each step; the cursor stands at the `|`."""
        file, result = self.folder / "project" / "a.py", self.folder / "result.json"
        file.parent.mkdir()
        file.write_text(text, encoding="utf-8")
        environment = {
            **os.environ,
            **self.script.env,
            **{f"XDG_{name}_HOME": str(self.folder / name.lower()) for name in ("CONFIG", "DATA", "CACHE", "STATE")},
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(HERE.parent.parent),
            "SEEDFILL_TEST_COMMAND": json.dumps([*COMMAND, "server"]),
            "SEEDFILL_TEST_SCENARIO": json.dumps([str(file), scenario, argument]),
            "SEEDFILL_TEST_RESULT": str(result),
        }
        load, run = ["-l", str(HERE / "emacs.el")], "seedfill-test-run"
        if client == "lsp-mode":
            load, run = [*load, "-l", str(HERE / "lsp-mode.el")], "seedfill-test-lsp-run"
        command = [os.environ["EMACS"], "--batch", "-Q", *load, "-f", run]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        assert done.returncode == 0, done.stderr
        return list(json.loads(result.read_text(encoding="utf-8")))


@pytest.fixture
def emacs(tmp_path: Path) -> Iterator[Emacs]:
    yield Emacs(tmp_path)
    left = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(tmp_path) in part for part in process.info["cmdline"] or ())
    ]
    _, alive = psutil.wait_procs(left, timeout=30)
    assert not alive, "the service outlives the editor"


def test_a_suggestion_is_a_completion_and_undo_takes_it_back(emacs: Emacs) -> None:
    emacs.script.rules({"before": "return val", "fills": ["ue * 2"]})
    opened, accepted, undone = emacs.play("def f(value):\n    return |\n", "completion", "val")
    assert accepted == opened.replace("return ", "return value * 2")
    assert undone == opened.replace("return ", "return val")


def test_a_suggestion_of_several_lines(emacs: Emacs) -> None:
    emacs.script.rules({"before": "def f():\n    ", "fills": ["x = [\n        1,\n    ]"]})
    opened, accepted, undone = emacs.play("def f():\n    |\n\nz = 1\n", "completion", "")
    assert accepted == "def f():\n    x = [\n        1,\n    ]\n\nz = 1\n"
    assert undone == opened


def test_positions_behind_an_emoji(emacs: Emacs) -> None:
    emacs.script.rules({"before": "s = '😀é' + ta", "fills": ["il"]})
    _, accepted, undone = emacs.play("s = '😀é' + |\nz = 1\n", "completion", "ta")
    assert accepted == "s = '😀é' + tail\nz = 1\n"
    assert undone == "s = '😀é' + ta\nz = 1\n"


def test_a_code_action_does_what_a_comment_says_and_undo_takes_it_back(emacs: Emacs) -> None:
    before = "# seedfill: spaces\ndef add(a, b):\n    return a+b\n"
    emacs.script.rules({"before": "spaces\n", "fills": ["def add(a, b):\n    return a + b"]})
    opened, edited, undone = emacs.play(before, "action", "Do what the comment says: spaces")
    assert edited == "def add(a, b):\n    return a + b\n"
    assert undone == opened == before


def test_lsp_mode_shows_ghost_text_accepts_it_and_takes_it_back(emacs: Emacs) -> None:
    emacs.script.rules({"before": "return val", "fills": ["ue * 2"]})
    opened, ghost, accepted, undone = emacs.play("def f(value):\n    return |\n", "ghost", "val", "lsp-mode")
    assert ghost == "ue * 2"
    assert accepted == opened.replace("return ", "return value * 2")
    assert undone == opened.replace("return ", "return val")


def test_lsp_mode_ghost_text_of_several_lines_behind_an_emoji(emacs: Emacs) -> None:
    emacs.script.rules({"before": "s = '😀é'; x = [", "fills": ["\n    1,\n]"]})
    _, ghost, accepted, _ = emacs.play("s = '😀é'; x = |\n", "ghost", "[", "lsp-mode")
    assert ghost == "\n    1,\n]"
    assert accepted == "s = '😀é'; x = [\n    1,\n]\n"


def test_lsp_mode_dismisses_ghost_text(emacs: Emacs) -> None:
    emacs.script.rules({"before": "return val", "fills": ["ue * 2"]})
    _, ghost, dismissed = emacs.play("def f(value):\n    return |\n", "dismiss", "val", "lsp-mode")
    assert ghost == "ue * 2"
    assert dismissed == "def f(value):\n    return val\n"


def test_lsp_mode_does_what_a_comment_says_and_undo_takes_it_back(emacs: Emacs) -> None:
    before = "# seedfill: spaces\ndef add(a, b):\n    return a+b\n"
    emacs.script.rules({"before": "spaces\n", "fills": ["def add(a, b):\n    return a + b"]})
    opened, edited, undone = emacs.play(before, "action", "Do what the comment says: spaces", "lsp-mode")
    assert edited == "def add(a, b):\n    return a + b\n"
    assert undone == opened == before
