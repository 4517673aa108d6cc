"""Every request id is answered exactly once, whatever a client sends: random messages over streams in memory."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lsp_server.server import create_server, serve
from sampler.protocol.messages import Candidate, InfillRequest, InfillResult
from tests.support.lsp_client import framed

URI = "file:///w/a.py"
POSITION = {"line": 0, "character": 2}
DOCUMENT = {"textDocument": {"uri": URI}}
VALID: dict[str, Any] = {
    "initialize": {"processId": None, "rootUri": None, "capabilities": {}},
    "textDocument/didOpen": {"textDocument": {"uri": URI, "languageId": "python", "version": 0, "text": "ab\r\n"}},
    "textDocument/didChange": {
        "textDocument": {"uri": URI, "version": 1},
        "contentChanges": [{"range": {"start": POSITION, "end": POSITION}, "text": "c"}, {"text": "d"}],
    },
    "textDocument/didClose": DOCUMENT,
    "textDocument/inlineCompletion": {**DOCUMENT, "position": POSITION, "context": {"triggerKind": 1}},
    "workspace/executeCommand": {"command": "seedfill.restartService", "arguments": []},
    "workspace/didChangeConfiguration": {"settings": {"seedfill": {"completion": {"debounceMs": 0}}}},
    "$/cancelRequest": {"id": 3},
    "no/such/method": {},
}


class Writer:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def write(self, data: bytes) -> None:
        self.messages.append(json.loads(re.split(rb"\r\n\r\n", data, maxsplit=1)[1]))

    def close(self) -> None:
        pass


class InstantClient:
    async def infill(self, request: InfillRequest, **_: object) -> InfillResult:
        candidate = Candidate(fills=("x",), tokens=1, forwards=1, confidence=1.0, finish="end")
        return InfillResult(
            candidates=(candidate,), model="", device="", ms=1.0, load_ms=0.0, tokens_computed=1, cache_miss="none"
        )

    async def forget(self, documents: object) -> None:
        pass

    async def health(self, *, start: bool = False) -> object:
        return None

    async def close(self) -> None:
        pass


async def answers(*messages: Any) -> Writer:
    """What a new server in private mode, so that no command reaches a service, writes about these messages."""
    server = create_server(lambda mode, report: InstantClient(), overrides={"sampler": {"mode": "private"}})
    reader, writer = asyncio.StreamReader(), Writer()
    for message in messages:
        reader.feed_data(framed(message))
    serving = asyncio.create_task(serve(server, reader, writer))
    expected = {message["id"] for message in messages if _is_request(message)}
    async with asyncio.timeout(5):
        while not expected <= {message.get("id") for message in writer.messages}:
            await asyncio.sleep(0)
    reader.feed_eof()
    await serving
    return writer


def _is_request(message: Any) -> bool:
    return isinstance(message, dict) and "method" in message and isinstance(message.get("id"), int | str)


def broken(value: Any) -> st.SearchStrategy[Any]:
    """`value` with something in it replaced, dropped or added."""
    junk: st.SearchStrategy[Any] = (
        st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3) | st.just([]) | st.just({"jsonrpc": 1})
    )
    if not isinstance(value, dict) or not value:
        return junk
    keys = st.sampled_from(sorted(value))
    return st.one_of(
        st.just(value),
        junk,
        keys.map(lambda dropped: {key: value[key] for key in value if key != dropped}),
        keys.flatmap(lambda key: broken(value[key]).map(lambda other: {**value, key: other})),
        junk.map(lambda added: {**value, "jsonrpc": added}),
    )


def message(method: str) -> st.SearchStrategy[dict[str, Any]]:
    params = broken(VALID[method]).map(lambda params: {"jsonrpc": "2.0", "method": method, "params": params})
    return st.one_of(params, params.flatmap(broken)).filter(lambda message: isinstance(message, dict))


messages = st.lists(st.tuples(st.sampled_from(sorted(VALID)).flatmap(message), st.booleans()), min_size=1, max_size=8)


@given(messages, st.booleans())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_request_is_answered_once(drawn: list[tuple[dict[str, Any], bool]], initialized: bool) -> None:
    first = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": VALID["initialize"]}
    opened = {"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": VALID["textDocument/didOpen"]}
    sent = [first, opened] if initialized else []
    sent += [
        {**message, "id": number} if with_id else message for number, (message, with_id) in enumerate(drawn, start=1)
    ]
    writer = asyncio.run(answers(*sent))
    ids = Counter(message["id"] for message in writer.messages if "method" not in message and message["id"] is not None)
    assert set(ids) >= {message["id"] for message in sent if _is_request(message)}
    assert max(ids.values(), default=1) == 1


async def test_a_request_that_is_valid_is_answered_in_memory_too() -> None:
    names = ("initialize", "textDocument/didOpen", "textDocument/inlineCompletion")
    sent = [
        {"jsonrpc": "2.0", "method": name, "params": VALID[name], **({} if "did" in name else {"id": name})}
        for name in names
    ]
    writer = await answers(*sent)
    last = next(message for message in writer.messages if message.get("id") == names[-1])
    assert last["result"]["items"][0]["insertText"] == "x"
