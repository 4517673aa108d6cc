"""Ghost text, over the packaged extension, the real server and the real service; what the model says is a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.vscode.conftest import Open
from tests.e2e.vscode.workbench import VSCode, Window, eventually, processes
from tests.support.lsp_scripted import Script

BEFORE = "def perimeter(width, height):\n    return 2 *"
TYPED = " "
FILL = "(width + height)"
RULE = {"before": "return 2 * ", "fills": [FILL]}


@pytest.fixture(scope="module")
def _window(scripted: Path, open_window: Open) -> Window:
    return open_window(server__path=str(scripted)).ready()


@pytest.fixture
def window(_window: Window, script: Script) -> Window:
    return _window


def test_ghost_text_appears_while_typing_and_tab_accepts_it(window: Window, script: Script) -> None:
    script.rules(RULE)
    window.edit(f"{BEFORE}║\n").type(TYPED)
    window.wait_for_ghost(FILL)
    window.picture("ghost-text")
    window.wait_for_text(f"{BEFORE}{TYPED}\n")
    window.press("Tab")
    window.wait_for_no_ghost()
    window.wait_for_text(f"{BEFORE}{TYPED}{FILL}\n")


def test_undo_takes_an_accepted_suggestion_back_at_once(window: Window, script: Script) -> None:
    script.rules(RULE)
    window.edit(f"{BEFORE}║\n").type(TYPED)
    window.wait_for_ghost(FILL)
    window.press("Tab")
    window.wait_for_text(f"{BEFORE}{TYPED}{FILL}\n")
    window.press("Control+z")
    window.wait_for_text(f"{BEFORE}{TYPED}\n")


def test_escape_dismisses_ghost_text(window: Window, script: Script) -> None:
    script.rules(RULE)
    window.edit(f"{BEFORE}║\n").type(TYPED)
    window.wait_for_ghost(FILL)
    window.press("Escape")
    window.wait_for_no_ghost()
    window.press("End")
    window.type("x")
    window.wait_for_text(f"{BEFORE}{TYPED}x\n")


def test_one_word_is_accepted_at_a_time(window: Window, script: Script) -> None:
    script.rules({"before": "total = ", "fills": ["width + height"]})
    window.edit("width, height = 3, 4\ntotal =║\n").type(" ")
    window.wait_for_ghost("width + height")
    window.press("Control+ArrowRight")
    window.wait_for_ghost(" + height")
    window.wait_for_text("width, height = 3, 4\ntotal = width\n")


def test_a_suggestion_of_several_lines_is_shown_and_accepted_whole(window: Window, script: Script) -> None:
    body = "if not items:\n        return 0\n    return sum(items) / len(items)"
    script.rules({"before": "def mean(items):\n    ", "fills": [body]})
    window.edit("def mean(items):\n   ║\n").type(" ")
    window.wait_for_ghost(body)
    window.press("Tab")
    window.wait_for_text(f"def mean(items):\n    {body}\n")


def test_typing_through_a_suggestion_does_not_flicker(window: Window, script: Script) -> None:
    script.rules(RULE)
    window.edit(f"{BEFORE}║\n").type(TYPED)
    window.wait_for_ghost(FILL)
    with window.film() as frames:
        window.type("(width", delay_ms=80)
        window.wait_for_ghost(" + height)")
    rests = [FILL[i:] for i in range(len("(width") + 1)]
    assert set(frames) <= set(rests), "a frame showed something other than what was left"
    assert [rests.index(frame) for frame in frames] == sorted(rests.index(frame) for frame in frames)
    asked = {request["pieces"][0] for request in window.requests(script)}
    typed = {f"{BEFORE}{TYPED}{FILL[:i]}" for i in range(1, len("(width") + 1)}
    assert not asked & typed, "typing what is suggested costs no inference"


def test_an_answer_that_typing_has_overtaken_is_never_shown(window: Window, script: Script) -> None:
    script.rules({"before": "x = ", "fills": ["OLD"], "until": "go"}, {"before": "new", "fills": ["_value"]})
    window.edit("x =║\n").type(" ")
    eventually(lambda: window.requests(script), "a request")
    with window.film() as frames:
        window.type("new")
        script.release("go")
        window.wait_for_ghost("_value")
    assert not [frame for frame in frames if "OLD" in frame]


def test_with_several_cursors_a_suggestion_goes_to_all_of_them(window: Window, script: Script) -> None:
    script.rules(RULE)
    first, second = BEFORE.split("\n")
    window.edit(f"{first}\n{second}║\n{second}\n")
    window.add_cursors_below(1)
    window.type(TYPED)
    window.wait_for_ghost(FILL + FILL)
    window.press("Tab")
    window.wait_for_text(f"{first}\n{second}{TYPED}{FILL}\n{second}{TYPED}{FILL}\n")


def test_positions_behind_an_emoji(window: Window, script: Script) -> None:
    script.rules({"before": "'😀é' + ", "fills": ["tail"]})
    window.edit("tail = 's'\ns = '😀é' +║\n").type(" ")
    window.wait_for_ghost("tail")
    window.press("Tab")
    window.wait_for_text("tail = 's'\ns = '😀é' + tail\n")


def test_a_suggestion_can_be_asked_for_in_any_language(window: Window, script: Script) -> None:
    script.rules({"before": "Dear ", "fills": ["reader"]})
    window.edit("Dear ║\n", suffix=".txt")
    window.command("Seedfill: Trigger Suggestion")
    window.wait_for_ghost("reader")


def test_the_service_is_killed_in_mid_request_and_everything_recovers(
    window: Window, script: Script, home: Path
) -> None:
    script.rules({**RULE, "until": "again"})
    window.edit(f"{BEFORE}║\n").type(TYPED)
    eventually(lambda: window.requests(script), "a request")
    for process in processes("lsp_scripted service", str(home)):
        process.kill()
    eventually(lambda: len(window.requests(script)) > 1, "the request to the new service")
    script.release("again")
    window.wait_for_ghost(FILL)
    window.ready().press("Tab")
    window.wait_for_text(f"{BEFORE}{TYPED}{FILL}\n")


def test_the_server_is_killed_and_comes_back(window: Window, script: Script, vscode: VSCode) -> None:
    script.rules(RULE)
    window.edit(f"{BEFORE}║\n")
    (server,) = vscode.processes("lsp_scripted server")
    server.kill()
    window.wait_for_status("loading")  # the status of before says nothing of the new server
    eventually(lambda: [p for p in vscode.processes("lsp_scripted server") if p != server], "a new server")
    window.ready().type(TYPED)
    window.wait_for_ghost(FILL)


def test_switched_off_nothing_comes_unasked_and_the_status_says_so(window: Window, script: Script) -> None:
    script.rules(RULE)
    window.edit(f"{BEFORE}║\n")
    window.command("Seedfill: Switch Suggestions On or Off")
    window.wait_for_status("off").type(TYPED)
    window.wait_for_text(f"{BEFORE}{TYPED}\n")
    window.command("Seedfill: Trigger Suggestion")
    window.wait_for_ghost(FILL)
    assert window.requests(script)[0]["n_candidates"] > 1, "typing asked although suggestions are off"
    window.command("Seedfill: Switch Suggestions On or Off")
    window.wait_for_status("ready")


def test_a_pause_ends_when_a_person_says_so(window: Window, script: Script) -> None:
    window.edit("║\n").ready()
    window.command("Seedfill: Pause Suggestions…")
    window.choose("15 minutes")
    window.wait_for_status("off")
    window.command("Seedfill: Pause Suggestions…")
    window.choose("End the pause now")
    window.wait_for_status("ready")
