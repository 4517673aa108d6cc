"""A language server under a client that says anything in any order, and a model of what each must come to.

The machine draws messages, valid and not, and checks after each that every request was answered exactly once and that
the server's buffers are the client's. `tests/lsp_server/test_stateful.py` runs it shortly, `benchmarks/fuzz_server.py`
for as long as one likes.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lsp_server.server import create_server
from tests.lsp_server.test_jsonrpc import InstantClient, Writer

URIS = ("file:///w/a.py", "file:///w/b.py", "untitled:c")
TEXTS = st.text(st.sampled_from("ab \t\n\r(é😀𝄞\u2028\x0c"), max_size=12)
HALVES = st.sampled_from(["\ud83d", "\ude00", ""])
CODECS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
JUNK = st.sampled_from([None, -1, 3, "x", [], {}, [[]], {"line": -1}, True, 1e308, "\ud800"])
METHODS = (
    "textDocument/inlineCompletion",
    "textDocument/codeAction",
    "codeAction/resolve",
    "workspace/executeCommand",
    "$/cancelRequest",
    "textDocument/didSave",
    "workspace/didChangeConfiguration",
    "no/such/method",
)


class Client:
    """What the client holds of one document: code units in the encoding that was agreed on."""

    def __init__(self, encoding: str, text: str) -> None:
        self.codec, self.width = CODECS[encoding]
        self.units = self.encoded(text)

    def encoded(self, text: str) -> list[bytes]:
        data = text.encode(self.codec, "surrogatepass")
        return [data[i : i + self.width] for i in range(0, len(data), self.width)]

    @property
    def text(self) -> str:
        return b"".join(self.units).decode(self.codec, "surrogatepass")

    def places(self) -> list[int]:
        """Where a client may put its cursor: between units, but not between a "\\r" and its "\\n"."""
        cr, lf = self.encoded("\r")[0], self.encoded("\n")[0]
        inside = {i for i in range(1, len(self.units)) if self.units[i - 1] == cr and self.units[i] == lf}
        whole = self.width == 2 or self._starts()
        return [i for i in range(len(self.units) + 1) if i not in inside and (whole is True or i in whole)]

    def _starts(self) -> set[int]:
        """Where a character begins: only units of 16 bits may be split by a client."""
        found, at = {0}, 0
        for character in self.text:
            at += len(self.encoded(character))
            found.add(at)
        return found

    def position(self, at: int) -> dict[str, int]:
        before = b"".join(self.units[:at]).decode(self.codec, "surrogatepass")
        lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return {"line": len(lines) - 1, "character": len(self.encoded(lines[-1]))}

    def replace(self, start: int, end: int, text: str) -> None:
        self.units[start:end] = self.encoded(text)


class ServerMachine(RuleBasedStateMachine):
    """Messages in any order."""

    @initialize(encoding=st.sampled_from(sorted(CODECS)), odd=JUNK)
    def start(self, encoding: str, odd: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.encoding = encoding
        self.writer, self.asked = Writer(), list[int]()
        self.documents: dict[str, Client] = {}
        self.versions: Counter[str] = Counter()
        self.server = create_server(lambda *_: InstantClient(), overrides={"sampler": {"mode": "private"}})
        self.server.protocol.set_writer(self.writer)  # type: ignore[arg-type]
        general = {"general": {"positionEncodings": ["utf-99", encoding]}, "textDocument": odd}
        self.request("initialize", {"processId": odd, "trace": odd, "capabilities": general})
        assert "error" not in self.writer.messages[0], "it is never refused over what nobody needs"

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.run_until_complete(self.server.suggestions.cancel_all())
            self.server.end_background()
            self.settle()
            self.loop.close()

    # — messages

    def receive(self, message: dict[str, Any]) -> None:
        async def deliver() -> None:
            self.server.protocol.receive(json.dumps(message).encode("ascii"))

        self.loop.run_until_complete(deliver())
        self.settle()

    def settle(self) -> None:
        async def turns() -> None:
            for _ in range(20):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())

    def request(self, method: str, params: Any) -> None:
        self.asked.append(len(self.asked) + 1)
        self.receive({"jsonrpc": "2.0", "id": self.asked[-1], "method": method, "params": params})

    def notify(self, method: str, params: Any) -> None:
        self.receive({"jsonrpc": "2.0", "method": method, "params": params})

    # — rules

    @rule(uri=st.sampled_from(URIS), text=TEXTS, says_version=st.booleans())
    def open(self, uri: str, text: str, says_version: bool) -> None:
        self.documents[uri] = Client(self.encoding, text)
        self.versions[uri] = 1
        item = {"uri": uri, "languageId": "python", "text": text} | ({"version": 1} if says_version else {})
        self.notify("textDocument/didOpen", {"textDocument": item})

    @rule(uri=st.sampled_from(URIS), data=st.data(), new=TEXTS, half=HALVES, says_version=st.booleans())
    def change(self, uri: str, data: st.DataObject, new: str, half: str, says_version: bool) -> None:
        if uri not in self.documents:
            return
        client = self.documents[uri]
        places = client.places()
        start, end = sorted(data.draw(st.tuples(st.sampled_from(places), st.sampled_from(places))))
        text = new + (half if self.encoding == "utf-16" else "")
        where = {"start": client.position(start), "end": client.position(end)}
        client.replace(start, end, text)
        self.versions[uri] += 1
        identifier = {"uri": uri} | ({"version": self.versions[uri]} if says_version else {})
        self.notify(
            "textDocument/didChange", {"textDocument": identifier, "contentChanges": [{"range": where, "text": text}]}
        )

    @rule(uri=st.sampled_from(URIS), text=TEXTS, whole=st.sampled_from([{}, {"range": None}]))
    def replace_all(self, uri: str, text: str, whole: dict[str, Any]) -> None:
        self.documents[uri] = Client(self.encoding, text)
        self.versions[uri] += 1
        identifier = {"uri": uri, "version": self.versions[uri]}
        self.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [{**whole, "text": text}]})

    @rule(uri=st.sampled_from(URIS))
    def close(self, uri: str) -> None:
        self.documents.pop(uri, None)
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    @rule(uri=st.sampled_from(URIS), line=st.integers(0, 3), character=st.integers(0, 9), kind=st.sampled_from([1, 7]))
    def complete(self, uri: str, line: int, character: int, kind: int) -> None:
        where = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
        self.request("textDocument/inlineCompletion", {**where, "context": {"triggerKind": kind}})

    @rule(method=st.sampled_from(METHODS), junk=JUNK, key=st.sampled_from(["textDocument", "id", "command", "title"]))
    def say_anything(self, method: str, junk: Any, key: str) -> None:
        params = {key: junk} if junk != 3 else junk
        (self.notify if method.startswith("$/") or "/did" in method else self.request)(method, params)

    @rule(number=st.integers(0, 40), body=st.sampled_from([{"result": None}, {"error": 3}, {"error": {"code": 1}}, {}]))
    def answer_what_nobody_asked(self, number: int, body: dict[str, Any]) -> None:
        if body:
            self.receive({"jsonrpc": "2.0", "id": number, **body})

    # — what must hold

    @invariant()
    def every_request_is_answered_once(self) -> None:
        if hasattr(self, "asked"):
            self.settle()
            answered = Counter(m["id"] for m in self.writer.messages if "method" not in m and m["id"] is not None)
            assert answered == Counter(self.asked)

    @invariant()
    def the_buffers_are_the_clients(self) -> None:
        if hasattr(self, "documents"):
            ours = {uri: document.text for uri, document in self.server.documents.items()}
            assert ours == {uri: client.text for uri, client in self.documents.items()}
