"""The server's commands from end to end: switching, explaining, counting; the service follows a script."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from lsp_server.features import commands
from seedfill import cli
from tests.lsp_server.features.test_inline_completion import Editor, editing
from tests.support.lsp_client import LspError

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def editor() -> AsyncIterator[Editor]:
    async with editing() as editor:
        editor.script.rules({"before": "f(", "fills": ["x)"]}, {"before": "= ", "fills": ["1", "2"]})
        yield editor


async def run(editor: Editor, command: str, *arguments: Any) -> Any:
    return await editor.client.request("workspace/executeCommand", {"command": command, "arguments": list(arguments)})


async def status(editor: Editor, state: str) -> str:
    found = await editor.client.notification("seedfill/status", lambda status: status["state"] == state)
    return str(found["message"])


async def test_off_and_on_again(editor: Editor) -> None:
    await run(editor, commands.DISABLE)
    assert await status(editor, "off") == "Suggestions are switched off."
    assert await editor.open("x = ║").ghost() is None
    assert await editor.open("x = ║").ghost(trigger=1) == "1"
    await run(editor, commands.ENABLE)
    assert await editor.open("x = ║").ghost() == "1"
    assert await status(editor, "ready") == ""


async def test_one_language(editor: Editor) -> None:
    await run(editor, commands.DISABLE, "python")
    buffer = editor.open("x = ║")
    assert await buffer.ghost() is None
    assert await status(editor, "off") == "Suggestions are not switched on for 'python'."
    await run(editor, commands.ENABLE, "python")
    assert await buffer.ghost() == "1"


async def test_a_snooze_ends(editor: Editor) -> None:
    await run(editor, commands.SNOOZE)
    assert await status(editor, "off") == "Suggestions are snoozed for 10 min."
    buffer = editor.open("x = ║")
    assert await buffer.ghost() is None
    await run(editor, commands.ENABLE)
    editor.client.notifications.clear()
    await run(editor, commands.SNOOZE, 0.0005)
    await status(editor, "off")
    await status(editor, "ready")
    assert await buffer.ghost() == "1"


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (commands.SNOOZE, [0]),
        (commands.SNOOZE, ["long"]),
        (commands.SNOOZE, [True]),
        (commands.DISABLE, [3]),
        (commands.DISABLE, ["c", "python"]),
        (commands.ACCEPTED, []),
        (commands.ACCEPTED, [{"jsonrpc": "2.0"}, 0]),
        (commands.EXPLAIN, ["everything"]),
    ],
)
async def test_arguments_that_make_no_sense_are_refused(editor: Editor, command: str, arguments: list[Any]) -> None:
    with pytest.raises(LspError):
        await run(editor, command, *arguments)


async def test_the_last_request_is_explained_here_and_in_the_shell(
    editor: Editor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    buffer = editor.open("x = 1\nf(║)\n")
    assert await buffer.ghost() == "x"
    explained = await run(editor, commands.EXPLAIN)
    assert (explained["document"], explained["line"], explained["column"]) == (buffer.uri, 2, 3)
    assert (explained["outcome"], explained["source"], explained["texts"]) == ("shown", "sampler", ["x"])
    assert explained["answer"]["candidates"][0]["filters"][0]["filter"] == "no_overlap"
    monkeypatch.setenv("XDG_STATE_HOME", str(editor.script.folder))
    assert cli.run(["explain", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == explained
    assert cli.run(["explain"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for part in (f"{buffer.uri}:2:3, python, unasked", "outcome shown.", "no_overlap it repeated the rest of the line"):
        assert part in printed


async def test_a_closed_gate_is_explained(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await editor.open("KEY = ║", name="file:///w/.env").ghost() is None
    explained = await run(editor, commands.EXPLAIN)
    assert (explained["outcome"], explained["asked"]) == ("silent", None)
    assert "may hold secrets" in explained["reason"]
    monkeypatch.setenv("XDG_STATE_HOME", str(editor.script.folder))
    assert cli.run(["explain"]) == 0


async def test_the_record_is_its_owners_alone(editor: Editor) -> None:
    await editor.open("x = ║").ghost()
    (path,) = Path(editor.script.folder).rglob("last-request.json")
    assert path.stat().st_mode & 0o077 == 0


async def test_what_is_accepted_is_counted(
    editor: Editor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = await run(editor, commands.STATISTICS)
    buffer = editor.open("x = ║")
    items = await buffer.items()
    assert items
    buffer.type(items[0]["insertText"])
    assert await editor.client.request("workspace/executeCommand", items[0]["command"]) is None
    after = await run(editor, commands.STATISTICS)
    assert (after["shown"], after["accepted"]) == (before["shown"] + 1, before["accepted"] + 1)
    assert after["ms_p50"] > 0
    monkeypatch.setenv("XDG_STATE_HOME", str(editor.script.folder))
    assert cli.run(["stats", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == after
    assert cli.run(["stats"]) == 0
    assert f"{after['shown']} shown, {after['accepted']} accepted" in capsys.readouterr().out


async def test_several_candidates_come_when_asked_for_by_hand(editor: Editor) -> None:
    buffer = editor.open("several = ║")
    items = await buffer.items(1)
    assert items
    assert [item["insertText"] for item in items] == ["1", "2"]
    assert (await editor.asked(buffer.uri))[0]["n_candidates"] == 3


async def test_who_does_not_want_to_be_counted_is_not() -> None:
    async with editing(options={"completion": {"debounceMs": 0}, "statistics": {"enabled": False}}) as editor:
        editor.script.rules({"before": "= ", "fills": ["1"]})
        items = await editor.open("x = ║").items()
        assert items
        assert "command" not in items[0]
        assert (await run(editor, commands.STATISTICS))["shown"] == 0


async def test_threads_go_to_the_service_that_is_started() -> None:
    async with editing(options={"completion": {"debounceMs": 0}, "sampler": {"threads": 3}}) as editor:
        editor.script.rules({"before": "= ", "fills": ["1"]})
        assert await editor.open("x = ║").ghost() == "1"
        children = psutil.Process(editor.client.process.pid).children(recursive=True)
        assert any("--threads=3" in child.cmdline() for child in children)
