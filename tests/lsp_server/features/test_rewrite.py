"""Rewriting a selection from end to end: a real server process, a real service, a scripted engine for a model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import pytest
import pytest_asyncio

from lsp_server.workspace.documents import Encoding
from tests.support.lsp_client import LspError
from tests.support.lsp_editor import CAPABILITIES, EditingClient, editing_client

pytestmark = pytest.mark.asyncio(loop_scope="module")

REWRITE = "seedfill.rewrite"
CODE = "def add(a, b):\n    return a+b\n\n\nprint(add(1, 2))\n"
RULE = {"before": "b):\n", "fills": ["    return a + b"]}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def editor(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EditingClient]:
    model = tmp_path_factory.mktemp("model")
    presets = {"type_hints": 0.8, "docstring": 0.59, "dance": 1.0, "identity_with_none": 0.9}
    (model / "config.json").write_text(json.dumps({"seedfill": {"presets": presets}}))
    async with editing_client(SEEDFILL_MODEL=str(model)) as editor:
        yield editor


@pytest.mark.parametrize("encoding", get_args(Encoding))
async def test_the_command_rewrites_a_selection_in_one_step(encoding: Encoding) -> None:
    async with editing_client(encoding) as editor:
        text = "# 漢😀\r\ns = '😀'; t = 'é'\r\nu = 1\r\n"
        editor.script.rules({"before": "😀\n", "fills": ["s = '😀😀'; t = 'é'"]})
        buffer = editor.open(text)
        assert await buffer.run(REWRITE, buffer.range_of("s = '😀'"), "twice") == {"applied": True}
        assert buffer.text == text.replace("s = '😀'", "s = '😀😀'")
        assert buffer.undo == [text]
        (asked,) = editor.asked(buffer)
        assert asked["edit"]["selection"] == "s = '😀'; t = 'é'"
        assert asked["edit"]["locks"] == [[7, 16]]
        assert (asked["instruction"], asked["language"]) == ("twice", "python")


async def test_an_instruction_in_a_comment_is_followed_and_goes(editor: EditingClient) -> None:
    editor.script.rules({"before": "hints\n", "fills": ["def f(a: int) -> int:\n    return a"]})
    buffer = editor.open("x = 1\n# seedfill: add type hints\ndef f(a):\n    return a\n\ny = 2\n")
    action, *_ = await buffer.actions(buffer.range_of("# seed"))
    assert action["title"] == "Do what the comment says: add type hints"
    assert "edit" not in action, "nothing is computed before it is chosen"
    resolved = await editor.client.request("codeAction/resolve", action)
    editor.make(resolved["edit"])
    assert buffer.text == "x = 1\ndef f(a: int) -> int:\n    return a\n\ny = 2\n"
    assert editor.asked(buffer)[0]["edit"]["selection"] == "def f(a):\n    return a"


async def test_ranges_that_have_to_stay_are_locked(editor: EditingClient) -> None:
    editor.script.rules({"before": "a = 1\n", "fills": ["total = f(x, z)"]})
    buffer = editor.open("a = 1\nsum_ = f(x, y)\n")
    kept = [buffer.range_of("f(x"), buffer.range_of("a = 1")]
    answer = await buffer.run(REWRITE, buffer.range_of("sum_ = f(x, y)"), "rename", kept)
    assert answer == {"applied": True} and buffer.text == "a = 1\ntotal = f(x, z)\n"
    assert editor.asked(buffer)[0]["edit"]["locks"] == [[7, 10]]
    editor.script.rules({"before": "a = 1\n", "fills": ["total = g(x, z)"]})
    answer = await buffer.run(REWRITE, buffer.range_of("total = f(x, z)"), "g", [buffer.range_of("f(x")])
    assert "did not keep what must stay" in answer["reason"]
    await editor.told("did not keep")


async def test_presets_are_offered_where_the_model_was_measured(editor: EditingClient) -> None:
    buffer = editor.open(CODE)
    actions = await buffer.actions(buffer.range_of("def add"))
    assert [(action["title"], action["kind"], action["tags"]) for action in actions] == [
        ("Add type hints", "refactor.rewrite", [1])
    ]
    assert await buffer.actions(buffer.range_of("return a+b")) == [], "nothing there has types to add"
    assert await buffer.actions(buffer.range(3, 3)) == []
    assert await buffer.actions(buffer.range_of("def add"), only=["quickfix"]) == []
    assert len(await buffer.actions(buffer.range_of("def add"), only=["refactor"])) == 1


async def test_a_preset_asks_in_its_own_words(editor: EditingClient) -> None:
    editor.script.rules({"before": "x = 1\n", "fills": ["if x is None:"]})
    buffer = editor.open("x = 1\nif x == None:\n    y = 2\n")
    (action,) = await buffer.actions(buffer.range_of("if x == None:"))
    assert action["title"] == "Compare with None by identity"
    editor.make((await editor.client.request("codeAction/resolve", action))["edit"])
    assert buffer.text == "x = 1\nif x is None:\n    y = 2\n"
    assert buffer.undo == ["x = 1\nif x == None:\n    y = 2\n"]
    assert editor.asked(buffer)[0]["instruction"] == "compare with None by identity"


async def test_a_client_that_resolves_nothing_gets_commands(tmp_path: Path) -> None:
    async with editing_client(capabilities={}) as editor:
        editor.script.rules(RULE)
        buffer = editor.open("# seedfill: spaces\n" + CODE)
        (action,) = await buffer.actions(buffer.range(0, 0))
        assert "data" not in action and "tags" not in action
        editor.script.rules({"before": "spaces\n", "fills": [CODE[:31].replace("a+b", "a + b").rstrip()]})
        await editor.client.request("workspace/executeCommand", action["command"])
        assert buffer.text == CODE.replace("a+b", "a + b")


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"fails": "The sampler is ill."}, "The sampler is ill."),
        ({"fills": ["    return a+b"]}, "change nothing"),
        ({"fills": ["    return (a+b"]}, "does not parse"),
    ],
)
async def test_a_refusal_is_told_and_changes_nothing(
    editor: EditingClient, rule: dict[str, Any], sentence: str
) -> None:
    editor.script.rules(rule)
    buffer = editor.open(CODE)
    answer = await buffer.run(REWRITE, buffer.range_of("return a+b"), "do it")
    assert answer["applied"] is False and sentence in answer["reason"]
    await editor.told(sentence)
    assert (buffer.text, buffer.undo) == (CODE, [])


async def test_a_document_that_moved_on_is_left_alone(editor: EditingClient) -> None:
    editor.script.rules({**RULE, "until": "moved"})
    buffer = editor.open(CODE)
    answer = asyncio.create_task(buffer.run(REWRITE, buffer.range_of("return a+b"), "do it"))
    await editor.client.notification("$/progress", lambda params: params["value"]["kind"] == "begin")
    buffer.type(0, "# typed\n")
    editor.script.release("moved")
    assert "changed meanwhile" in (await answer)["reason"]
    assert buffer.text == "# typed\n" + CODE
    await editor.told("changed meanwhile")


async def test_what_was_typed_in_place_of_the_edit_is_not_taken_for_it(
    editor: EditingClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Neovim: it refuses an edit of a version that it has left behind, says that it made it, and then tells."""
    editor.script.rules(RULE)
    buffer = editor.open(CODE)
    monkeypatch.setattr(editor, "make", lambda edit: buffer.type(len(CODE), "# typed\n"))
    answer = await buffer.run(REWRITE, buffer.range_of("return a+b"), "do it")
    assert not answer["applied"] and "changed meanwhile" in answer["reason"]
    assert buffer.text == CODE + "# typed\n"
    await editor.told("changed meanwhile")


async def test_an_action_offered_for_an_older_text_is_not_made(editor: EditingClient) -> None:
    buffer = editor.open("# seedfill: spaces\n" + CODE)
    (action,) = await buffer.actions(buffer.range(0, 0))
    buffer.type(0, "\n")
    assert "edit" not in await editor.client.request("codeAction/resolve", action)
    await editor.told("changed since")


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        ({"applied": False, "failureReason": "read only"}, "did not make the edit: read only"),
        ({"applied": False}, "did not make the edit."),
        ({"error": {"code": -32603, "message": "no"}}, "did not make the edit: no"),
        ("nonsense", "did not"),
        ({"applied": True}, "the document is as it was"),
    ],
)
async def test_an_editor_that_does_not_apply_is_named(editor: EditingClient, reply: Any, sentence: str) -> None:
    editor.script.rules(RULE)
    editor.replies["workspace/applyEdit"] = reply
    buffer = editor.open(CODE)
    try:
        answer = await buffer.run(REWRITE, buffer.range_of("return a+b"), "do it")
    finally:
        del editor.replies["workspace/applyEdit"]
    assert answer["applied"] is False and sentence in answer["reason"]
    await editor.told(sentence)


async def test_progress_is_shown_previewed_and_cancelled(editor: EditingClient) -> None:
    editor.script.rules({**RULE, "progress": ["    ret", "    return a"], "until": "never"})
    buffer = editor.open(CODE)
    answer = asyncio.create_task(buffer.run(REWRITE, buffer.range_of("return a+b"), "do it"))
    begun = await editor.client.notification("$/progress", lambda params: params["value"]["kind"] == "begin")
    assert begun["value"]["cancellable"] and begun["value"]["title"] == "Rewriting"
    preview = await editor.client.notification("seedfill/preview", lambda params: params["text"] == "    return a")
    assert (preview["uri"], preview["range"]) == (buffer.uri, buffer.range_of("    return a+b"))
    report = await editor.client.notification("$/progress", lambda params: params["value"]["kind"] == "report")
    assert report["value"]["message"] == "ret"
    editor.client.notify("window/workDoneProgress/cancel", {"token": begun["token"]})
    assert await answer == {"applied": False, "reason": "The edit was cancelled."}
    await editor.client.notification("seedfill/preview", lambda params: params["text"] is None)
    await editor.told("cancelled")
    while not any(entry["document"].endswith(buffer.uri) for entry in editor.script.entries("cancelled")):
        await asyncio.sleep(0.005)


async def test_a_cancelled_request_reaches_the_sampler(editor: EditingClient) -> None:
    editor.script.rules({**RULE, "until": "never"})
    buffer = editor.open(CODE)
    params = {"command": REWRITE, "arguments": [buffer.uri, buffer.range_of("return a+b"), "do it"]}
    msg_id, answer = editor.client.send_request("workspace/executeCommand", params)
    await editor.client.notification("$/progress", lambda params: params["value"]["kind"] == "begin")
    editor.client.notify("$/cancelRequest", {"id": msg_id})
    with pytest.raises(LspError) as error:
        await asyncio.wait_for(answer, 30)
    assert error.value.code == -32800
    assert buffer.text == CODE


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [7],
        ["file:///w/none.py", "range"],
        ["URI", "range"],
        ["URI", {"start": 3}],
        ["URI", None, {"a": 1}],
        ["URI", None, "do it", 7],
        ["URI", None, "do it", ["range"]],
        [None] * 9,
    ],
)
async def test_malformed_arguments_are_answered(editor: EditingClient, arguments: list[Any]) -> None:
    buffer = editor.open(CODE)
    given = [buffer.uri if argument == "URI" else argument for argument in arguments]
    params = {"command": REWRITE, "arguments": given}
    try:
        answer = await editor.client.request("workspace/executeCommand", params)
    except LspError as error:
        assert error.code == -32602
    else:
        assert answer["applied"] is False
        await editor.told("")


async def test_an_instruction_is_needed(editor: EditingClient) -> None:
    buffer = editor.open(CODE)
    assert "Say what" in (await buffer.run(REWRITE, buffer.range(0, 3), "  "))["reason"]
    await editor.told("Say what")


async def test_a_file_with_secrets_is_not_rewritten(editor: EditingClient) -> None:
    buffer = editor.open("KEY=1\n", name=".env")
    assert "secrets" in (await buffer.run(REWRITE, buffer.range(0, 3), "do it"))["reason"]
    assert await buffer.actions(buffer.range(0, 5)) == []
    await editor.told("secrets")
    assert editor.asked(buffer) == []


async def test_half_of_a_character_is_not_lost_by_an_edit(editor: EditingClient) -> None:
    buffer = editor.open("s = '\ud83d'\n")
    assert "half of a character" in (await buffer.run(REWRITE, buffer.range(0, 3), "do it"))["reason"]
    await editor.told("half of a character")
    assert editor.asked(buffer) == [] and buffer.text == "s = '\ud83d'\n"


async def test_a_client_without_versions_gets_plain_changes() -> None:
    async with editing_client(capabilities={**CAPABILITIES, "workspace": {}, "window": {}}) as editor:
        editor.script.rules(RULE)
        buffer = editor.open(CODE)
        assert await buffer.run(REWRITE, buffer.range_of("return a+b"), "do it") == {"applied": True}
        assert buffer.text == CODE.replace("a+b", "a + b")
