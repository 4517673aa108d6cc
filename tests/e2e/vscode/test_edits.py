"""Edits of a selection and of holes, from the person's command to the changed file; what the model says is a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.vscode.conftest import Open
from tests.e2e.vscode.workbench import Window, eventually
from tests.support.lsp_scripted import Script

BEFORE = "def area(width, height):\n"
OLD = "    result = width * height\n    print(width, height)\n    return result"
NEW = "    area = width * height\n    print(width, height)\n    return area"
AFTER = "\n\n\nz = 1\n"
RULE = {"before": BEFORE, "fills": [NEW]}


@pytest.fixture(scope="module")
def _window(scripted: Path, open_window: Open) -> Window:
    return open_window(server__path=str(scripted)).ready()


@pytest.fixture
def window(_window: Window, script: Script) -> Window:
    """With the body of a function selected."""
    script.rules(RULE)
    return _window.edit(f"{BEFORE}║{OLD}{AFTER}").press("Shift+ArrowDown", "Shift+ArrowDown", "Shift+End")


def ask(window: Window, instruction: str = "name it for what it is") -> None:
    window.command("Seedfill: Rewrite Selection…")
    window.choose(instruction)


def test_an_instruction_rewrites_a_selection_and_undo_restores_it(window: Window, script: Script) -> None:
    ask(window)
    window.wait_for_text(f"{BEFORE}{NEW}{AFTER}")
    (request,) = (request for request in window.requests(script) if request["instruction"])
    assert request["instruction"] == "name it for what it is"
    assert request["edit"]["selection"] == OLD
    window.focus()
    window.press("Control+z")
    window.wait_for_text(f"{BEFORE}{OLD}{AFTER}")


def test_each_part_of_an_edit_can_be_kept_or_taken_back(window: Window) -> None:
    ask(window)
    window.wait_for_text(f"{BEFORE}{NEW}{AFTER}")
    lenses = window.page.locator(".codelens-decoration a")
    eventually(lambda: lenses.count() == 4, "two ways to go for each of two parts", lenses.count)
    window.focus("Control+End").picture("edit")
    window.page.locator(".codelens-decoration a", has_text="Take back").first.click()
    window.wait_for_text(f"{BEFORE}{OLD.splitlines()[0]}\n{NEW.partition(chr(10))[2]}{AFTER}")
    eventually(lambda: lenses.count() == 2, "one part left", lenses.count)
    window.page.locator(".codelens-decoration a", has_text="Keep").first.click()
    eventually(lambda: lenses.count() == 0, "nothing left to decide", lenses.count)


def test_an_edit_is_shown_while_it_is_written(window: Window, script: Script) -> None:
    script.rules({**RULE, "progress": ["    area = wid"], "until": "go"})
    ask(window)
    drawn = "() => [...document.styleSheets].some((sheet) => [...sheet.cssRules].some((rule) =>" + (
        " /area.=.wid/.test(rule.style?.content ?? '')))"
    )
    eventually(lambda: window.page.evaluate(drawn), "the preview")
    assert window.text() == f"{BEFORE}{OLD}{AFTER}", "a preview is not in the file"
    script.release("go")
    window.wait_for_text(f"{BEFORE}{NEW}{AFTER}")


def test_instructions_are_remembered(window: Window) -> None:
    ask(window, "name it well")
    window.wait_for_text(f"{BEFORE}{NEW}{AFTER}")
    window.command("Seedfill: Rewrite Selection…")
    window.page.locator(".quick-input-list .monaco-list-row", has_text="asked before").first.wait_for()
    window.press("Escape")


def test_a_refusal_is_said(window: Window, script: Script) -> None:
    script.rules({"before": BEFORE, "fills": [OLD]})
    ask(window)
    assert window.notification("Seedfill: ")
    assert window.text() == f"{BEFORE}{OLD}{AFTER}"


def test_all_holes_of_a_file_are_filled_in_one_step(window: Window, script: Script) -> None:
    script.rules({"spans": ["width + height", "width * height"]})
    holes = "def total(width, height):\n    return ▢\n\n\ndef area(width, height):\n    return ▢\n"
    filled = holes.replace("▢", "width + height", 1).replace("▢", "width * height")
    window.edit(f"║{holes}").command("Seedfill: Fill All Holes")
    window.wait_for_text(filled)
    window.focus()
    window.press("Control+z")
    window.wait_for_text(holes)
