"""What a client says that nobody understands is left out, and the rest is used."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lsp_server.test_jsonrpc import URI, VALID, Writer, answers

INITIALIZE: dict[str, dict[str, Any]] = {
    "a trace of another kind": {"trace": "compact", "capabilities": {}},
    "capabilities null": {"capabilities": None},
    "nothing at all": {},
    "capabilities of another kind": {"capabilities": {"workspace": 3, "window": []}},
    "a completion tag, a symbol and a markup to come": {
        "capabilities": {
            "textDocument": {
                "completion": {
                    "completionItem": {"tagSupport": {"valueSet": [1, 99]}, "documentationFormat": ["html"]},
                    "completionItemKind": {"valueSet": [1, 999]},
                },
                "documentSymbol": {"symbolKind": {"valueSet": [1, 2, 99]}},
                "semanticTokens": {"formats": ["relative", "absolute"], "requests": None},
                "codeAction": {"codeActionLiteralSupport": {}},
            },
            "workspace": {"workspaceEdit": {"resourceOperations": ["create", "copy"], "failureHandling": "retry"}},
        }
    },
    "no process": {"processId": -1, "capabilities": {}},
    "process 0": {"processId": 0, "capabilities": {}},
    "a process beyond all": {"processId": 1 << 31, "capabilities": {}},
    "a process in words": {"processId": "x", "capabilities": {}},
    "folders null and odd": {"workspaceFolders": [{"uri": "file:///w", "name": None}, 3], "capabilities": {}},
    "a root of another kind": {"rootUri": 5, "capabilities": {}},
}


async def replies(*messages: tuple[str, dict[str, Any]], then: str = "textDocument/inlineCompletion") -> dict[Any, Any]:
    """The answer to each request, by its number, `then` asked last."""
    sent = [("initialize", VALID["initialize"]), *messages, (then, VALID[then])]
    writer: Writer = await answers(
        *(
            {"jsonrpc": "2.0", "method": method, "params": params, **({} if "/did" in method else {"id": number})}
            for number, (method, params) in enumerate(sent)
        )
    )
    return {message["id"]: message for message in writer.messages if "method" not in message}


@pytest.mark.parametrize("params", INITIALIZE.values(), ids=INITIALIZE)
async def test_initialize_is_never_refused_over_what_nobody_needs(params: dict[str, Any]) -> None:
    sent = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    (answer,) = [message for message in (await answers(sent)).messages if message.get("id") == 1]
    assert answer["result"]["capabilities"]["inlineCompletionProvider"] == {}


async def test_of_the_encodings_offered_those_are_taken_that_exist() -> None:
    general = {"general": {"positionEncodings": ["utf-9", "utf-8"]}}
    sent = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"capabilities": general}}
    (answer,) = [message for message in (await answers(sent)).messages if message.get("id") == 1]
    assert answer["result"]["capabilities"]["positionEncoding"] == "utf-8"


ASKED = VALID["textDocument/inlineCompletion"]
OPEN = VALID["textDocument/didOpen"]["textDocument"]
REQUESTS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "a kind of trigger to come": [("textDocument/inlineCompletion", {**ASKED, "context": {"triggerKind": 9}})],
    "no context": [("textDocument/inlineCompletion", {**ASKED, "context": None})],
    "a document without version and language": [("textDocument/didOpen", {"textDocument": {"uri": URI, "text": "ab"}})],
    "a range that is null": [
        ("textDocument/didOpen", {"textDocument": OPEN}),
        (
            "textDocument/didChange",
            {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"range": None, "text": "ab"}]},
        ),
    ],
    "a change without a version": [
        ("textDocument/didOpen", {"textDocument": OPEN}),
        ("textDocument/didChange", {"textDocument": {"uri": URI}, "contentChanges": [{"text": "ab"}]}),
    ],
    "a change of what was never opened": [
        ("textDocument/didChange", {"textDocument": {"uri": URI, "version": 7}, "contentChanges": [{"text": "ab"}]})
    ],
}


@pytest.mark.parametrize("messages", REQUESTS.values(), ids=REQUESTS)
async def test_no_document_is_lost_whose_text_is_in_the_message(messages: list[tuple[str, dict[str, Any]]]) -> None:
    opened = [("textDocument/didOpen", {"textDocument": OPEN})] if "inline" in messages[0][0] else []
    found = await replies(*opened, *messages)
    assert [message for message in found.values() if "error" in message] == []
    assert found[max(found)]["result"]["items"][0]["insertText"] == "x"


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "no position": ("textDocument/inlineCompletion", {"textDocument": {"uri": URI}}),
    "no document": ("textDocument/inlineCompletion", {"position": {"line": 0, "character": 0}}),
}


@pytest.mark.parametrize("message", REFUSED.values(), ids=REFUSED)
async def test_what_a_request_cannot_do_without_is_named(message: tuple[str, dict[str, Any]]) -> None:
    error = (await replies(message))[1]["error"]
    assert error["code"] == -32602 and "Malformed textDocument/inlineCompletion" in error["message"]


ODD: dict[str, tuple[str, Any, int | None]] = {
    "data of another kind": ("codeAction/resolve", {"title": "t", "data": {"command": [], "arguments": 3}}, None),
    "data without arguments": ("codeAction/resolve", {"title": "t", "data": {"command": "seedfill.rewrite"}}, None),
    "arguments without a document": (
        "codeAction/resolve",
        {"title": "t", "data": {"command": "seedfill.rewrite", "arguments": [], "version": 1}},
        None,
    ),
    "an address that is none": (
        "textDocument/inlineCompletion",
        {**ASKED, "textDocument": {"uri": "file://["}},
        None,
    ),
}


@pytest.mark.parametrize("case", ODD.values(), ids=ODD)
async def test_odd_data_is_answered_in_order(
    case: tuple[str, Any, int | None], caplog: pytest.LogCaptureFixture
) -> None:
    method, params, code = case
    opened = {"textDocument": {**OPEN, "uri": "file://["}}
    answer = (await replies(("textDocument/didOpen", opened), (method, params)))[2]
    assert answer.get("error", {}).get("code") == code
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_nested_request_is_refused_under_its_own_id() -> None:
    nested = b'{"jsonrpc": "2.0", "id": 5, "method": "workspace/executeCommand", "params": %s}'
    body = nested % (b"[" * 990 + b"]" * 990)
    writer = await answers({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": VALID["initialize"]}, body)
    assert [message["id"] for message in writer.messages if "error" in message] in ([5], [])


async def test_answers_are_taken_as_they_come(caplog: pytest.LogCaptureFixture) -> None:
    """Late, unknown, malformed, or under the id of the client's own request: none is answered, none ends the server."""
    odd = [{"id": "never", "result": None}, {"id": 1, "result": 3}, {"id": "x", "error": 3}, {"id": 2, "error": {}}]
    sent = [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": VALID["initialize"]},
        {"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": OPEN}},
        {"jsonrpc": "2.0", "id": 1, "method": "textDocument/inlineCompletion", "params": ASKED},
        *({"jsonrpc": "2.0", **answer} for answer in odd),
        {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": [1]}},
        {"jsonrpc": "2.0", "id": 3, "method": "textDocument/inlineCompletion", "params": ASKED},
    ]
    writer = await answers(*sent)
    assert [message["id"] for message in writer.messages if "method" not in message] == [0, 1, 3]
    assert [record for record in caplog.records if record.exc_info] == []
