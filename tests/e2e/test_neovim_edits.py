"""Edits in a real Neovim, over the real server and service: ways to an instruction, undo, refusals, holes, repairs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_neovim import HERE, Neovim, eventually
from tests.support.lsp_scripted import Script

CODE = "def add(a, b):\n    return a+b\n\n\nprint(add(1, 2))\n"
RULE = {"before": "b):\n", "fills": ["    return a + b"]}
RESULT = CODE.replace("a+b", "a + b").splitlines()


@pytest.fixture
def neovim(tmp_path: Path) -> Iterator[Neovim]:
    script = Script(tmp_path)
    script.rules(RULE)
    neovim = Neovim(os.environ["NVIM"], tmp_path, script)
    (tmp_path / "model").mkdir()
    presets = {"presets": {"identity_with_none": 0.9, "literals": 0.4}}
    (tmp_path / "model" / "config.json").write_text(json.dumps({"seedfill": presets}))
    neovim.environment["SEEDFILL_MODEL"] = str(tmp_path / "model")
    yield neovim
    neovim.close()


def opened(neovim: Neovim, text: str) -> Neovim:
    """In normal mode, with the command that docs/editors.md gives to people."""
    docs = (HERE.parent.parent / "docs" / "editors.md").read_text()
    (command,) = [
        block for block in re.findall(r"```lua\n(.*?)```", docs, re.DOTALL) if "'Seedfill', function" in block
    ]
    file = neovim.folder / "command.lua"
    file.write_text(command + "vim.o.columns = 250\n")  # a message that fits asks nobody to press Enter
    neovim.open("║" + text)
    neovim.keys(f"<Esc>:luafile {file}<CR>")
    eventually(lambda: neovim.lua("vim.fn.exists(':Seedfill')") == 2, "the command")
    return neovim


def asked(neovim: Neovim) -> list[dict[str, Any]]:
    """The edits that the service was asked for, once there are some; suggestions are none."""

    def entries() -> list[dict[str, Any]]:
        return [entry for entry in neovim.script.entries("request") if entry["document"].startswith("edit ")]

    return eventually(entries, "a request")


def act(neovim: Neovim, title: str) -> None:
    """Choose the code action of that title at the cursor, or on the lines that are selected."""
    neovim.lua(f"vim.lsp.buf.code_action({{ apply = true, filter = function(a) return a.title == '{title}' end }})")


def becomes(neovim: Neovim, lines: list[str]) -> None:
    try:
        eventually(lambda: neovim.lines() == lines, "the edit")
    except AssertionError:
        assert neovim.lines() == lines


def says(neovim: Neovim, *sentences: str) -> None:
    """One of them; which, may hang on when the server was told of a change."""
    said: list[str] = []

    def messages() -> bool:
        said[:] = [neovim.lua("vim.fn.execute('messages')")]
        return any(sentence in said[0] for sentence in sentences)

    try:
        eventually(messages, "the message")
    except AssertionError:
        assert said[0] in sentences


def test_a_command_rewrites_lines_and_one_undo_takes_it_back(neovim: Neovim) -> None:
    opened(neovim, CODE)
    neovim.keys("5Gmaggmb:2,2Seedfill put spaces there<CR>")
    becomes(neovim, RESULT)
    (request,) = asked(neovim)
    assert (request["instruction"], request["edit"]["selection"]) == ("put spaces there", "    return a+b")
    assert neovim.lua('vim.fn.line("\'a")') == 5 and neovim.lua('vim.fn.line("\'b")') == 1
    assert neovim.lua("vim.fn.line('.')") == 1, "where it was"
    neovim.keys("u")
    becomes(neovim, CODE.splitlines())


def test_a_comment_is_followed_and_goes(neovim: Neovim) -> None:
    neovim.script.rules({"before": "spaces\n", "fills": [CODE[:31].replace("a+b", "a + b").rstrip()]})
    opened(neovim, "# seedfill: put spaces\n" + CODE)
    act(neovim, "Do what the comment says: put spaces")
    becomes(neovim, RESULT)
    neovim.keys("u")
    becomes(neovim, ["# seedfill: put spaces", *CODE.splitlines()])


def test_a_preset_is_offered_where_it_was_measured(neovim: Neovim) -> None:
    neovim.script.rules({"before": "list()\n", "fills": ["if x is None:"]})
    opened(neovim, "x = list()\nif x == None:\n    x = 1\n")
    neovim.keys("2GV")
    act(neovim, "Compare with None by identity")
    becomes(neovim, ["x = list()", "if x is None:", "    x = 1"])
    assert asked(neovim)[0]["instruction"] == "compare with None by identity"


def test_what_was_not_selected_of_a_line_is_locked(neovim: Neovim) -> None:
    neovim.script.rules({"before": "1\n", "fills": ["x = g(y)  # call"]})
    opened(neovim, "a = 1\nx = f(y)  # call\n")
    neovim.keys("2G0")
    arguments = (
        "{ vim.uri_from_bufnr(0), { start = { line = 1, character = 4 }, ['end'] = { line = 1, character = 8 } }, 'g' }"
    )
    client = "vim.lsp.get_clients({ name = 'seedfill' })[1]"
    neovim.lua(
        f"{client}:exec_cmd({{ title = 'R', command = 'seedfill.rewrite', arguments = {arguments} }}, {{ bufnr = 0 }})"
    )
    becomes(neovim, ["a = 1", "x = g(y)  # call"])
    assert asked(neovim)[0]["edit"]["locks"] == [[0, 4], [8, 16]]


def test_a_refusal_is_a_sentence(neovim: Neovim) -> None:
    neovim.script.rules({"before": "b):\n", "fills": ["    return (a"]})
    opened(neovim, CODE)
    neovim.keys(":2,2Seedfill break it<CR>")
    says(neovim, "does not parse")
    assert neovim.lines() == CODE.splitlines()


@pytest.mark.parametrize("held_back_ms", ["", "0", "60000"], ids=["as-usual", "told-at-once", "told-too-late"])
@pytest.mark.parametrize("typed_before", ["", "GoA = 0<Esc>"], ids=["unchanged", "changed"])
def test_what_is_typed_while_an_edit_is_made_survives_it(neovim: Neovim, held_back_ms: str, typed_before: str) -> None:
    """Neovim tells of a change only after a while: then it has to refuse the edit by itself.

    The line is typed above the edit's, so that an edit made all the same would fall on another line.
    """
    neovim.environment["SEEDFILL_TEST_HOLDS_BACK_MS"] = held_back_ms
    neovim.script.rules({**RULE, "until": "moved"})
    opened(neovim, CODE)
    neovim.keys(f"{typed_before}:2,2Seedfill put spaces there<CR>")
    asked(neovim)
    before = neovim.lines()
    neovim.keys("ggOz = 1<Esc>")
    eventually(lambda: neovim.lines() == ["z = 1", *before], "the typed line")
    neovim.script.release("moved")
    says(neovim, "changed meanwhile", "the document is as it was")
    assert neovim.lines() == ["z = 1", *before]


def test_holes_of_every_kind_are_filled_together(neovim: Neovim) -> None:
    code = "def a():\n    pass  # TODO\n\n\ndef b():\n    ...\n\n\ndef c():\n    return ▢\n"
    neovim.script.rules({"before": "def a():\n    ", "spans": ["return 1", "return 2", "3"]})
    opened(neovim, code)
    neovim.keys("ggVG")
    act(neovim, "Fill the 3 holes")
    filled = code.replace("pass  # TODO", "return 1").replace("...", "return 2").replace("▢", "3")
    becomes(neovim, filled.splitlines())
    assert len(asked(neovim)) == 1
    neovim.keys("<Esc>u")
    becomes(neovim, code.splitlines())


def test_the_change_of_a_name_is_offered_at_the_next_place(neovim: Neovim) -> None:
    opened(neovim, "count = 1\nprint(count)\nprint(count + 1)\n")
    neovim.keys("gg0ciwtotal<Esc>")
    eventually(lambda: neovim.lines()[0] == "total = 1", "the change by hand")
    act(neovim, "The same at all 2 places: count → total")
    becomes(neovim, ["total = 1", "print(total)", "print(total + 1)"])
    neovim.keys("u")
    becomes(neovim, ["total = 1", "print(count)", "print(count + 1)"])


def test_lines_that_do_not_parse_are_repaired(neovim: Neovim) -> None:
    neovim.script.rules({"before": "1\n", "fills": ["y = (x)"]})
    opened(neovim, "x = 1\ny = (x\n")
    neovim.keys("2G")
    act(neovim, "Repair what does not parse")
    becomes(neovim, ["x = 1", "y = (x)"])
