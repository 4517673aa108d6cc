"""Beside another extension that suggests, and with several cursors: nothing flickers, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.vscode.conftest import Open
from tests.e2e.vscode.workbench import Window, eventually
from tests.support.lsp_scripted import Script

OTHER = Path(__file__).parent / "other_provider"
OURS, THEIRS = "ours(1)", "theirs(2)"
TOLD = f"# other: {THEIRS}\n"


@pytest.fixture(scope="module")
def _window(scripted: Path, open_window: Open) -> Window:
    return open_window(extensions=[OTHER], server__path=str(scripted)).ready()


@pytest.fixture
def window(_window: Window, script: Script) -> Window:
    script.rules({"before": "x = ", "fills": [OURS]})
    return _window


def test_where_seedfill_has_nothing_the_others_suggestion_is_shown_and_accepted(window: Window, script: Script) -> None:
    script.rules()
    window.edit(f"{TOLD}x =║\n").type(" ")
    window.wait_for_ghost(THEIRS)
    window.press("Tab")
    window.wait_for_text(f"{TOLD}x = {THEIRS}\n")


def test_where_the_other_has_nothing_seedfills_suggestion_is(window: Window) -> None:
    window.edit("x =║\n").type(" ")
    window.wait_for_ghost(OURS)
    window.press("Tab")
    window.wait_for_text(f"x = {OURS}\n")


def test_where_both_suggest_the_first_is_shown_without_flicker_and_tab_accepts_what_is_shown(window: Window) -> None:
    window.edit(f"{TOLD}x =║\n")
    with window.film() as frames:
        window.type(" ")
        shown = window.wait_for_ghost()
        window.press("Alt+BracketRight")
        eventually(lambda: window.ghost() not in ("", shown), "the other suggestion", window.ghost)
        window.press("Alt+BracketLeft")
        window.wait_for_ghost(shown)
    assert {frame for frame in frames if frame} == {OURS, THEIRS}
    first = next(i for i, frame in enumerate(frames) if frame)
    assert all(frames[first:]), "ghost text that is there does not go away"
    changes = sum(a != b for a, b in zip(frames[first:], frames[first + 1 :], strict=False))
    assert changes == 2, "it changes only where the person asks for the other one"
    window.picture("beside")
    window.press("Tab")
    window.wait_for_text(f"{TOLD}x = {shown}\n")


def test_the_others_suggestion_does_not_wait_for_a_slow_model(window: Window, script: Script) -> None:
    script.rules({"before": "x = ", "fills": [OURS], "until": "never"})
    window.edit(f"{TOLD}x =║\n").type(" ")
    window.wait_for_ghost(THEIRS)
    window.press("Tab")
    window.wait_for_text(f"{TOLD}x = {THEIRS}\n")


def test_several_cursors_on_different_lines_lose_no_text(window: Window, script: Script) -> None:
    script.rules({"before": "area = ", "fills": ["width * height"]})
    lines = ["area =", "total = 0  # area =", "    area =", "print('area =')"]
    window.edit("║" + "\n".join(lines) + "\n")
    window.add_cursors_below(len(lines) - 1)
    window.press("End")
    window.type(" ")
    typed = [f"{line} " for line in lines]
    eventually(lambda: window.text().splitlines() == typed, "a blank at each cursor", window.text)
    eventually(lambda: window.requests(script), "a request")
    window.wait_for_ghost()
    window.press("Tab")
    eventually(lambda: window.text().splitlines() != typed, "an accepted suggestion", window.text)
    for before, after in zip(typed, window.text().splitlines(), strict=True):
        assert after in (before, f"{before}width * height")
    window.press("Control+z")
    eventually(lambda: window.text().splitlines() == typed, "what was typed", window.text)


def test_a_suggestion_of_several_lines_for_several_cursors_loses_no_text(window: Window, script: Script) -> None:
    body = "if not items:\n        return 0\n    return sum(items)"
    script.rules({"before": "def total(items):\n    ", "fills": [body]})
    head = "def total(items):\n   "
    window.edit(f"{head}║\n\n\n{head}\n")
    window.command("Add Selection To Next Find Match")
    before = window.text()
    window.type(" ")
    window.wait_for_ghost()
    window.press("Tab")
    eventually(lambda: body in window.text(), "the suggestion", window.text)
    assert window.text().replace(body, "").split() == before.split()
