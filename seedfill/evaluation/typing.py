"""Typing replayed through the real language server and sampler service, at a person's cadence, in virtual time.

A suggestion is accepted, at the price of one key, when it is on screen as the next key is due and is a prefix of what
is still to be typed. Only this module knows both the workbench and the editor's side.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

from lsp_server import server
from lsp_server.completion.journal import Journal
from lsp_server.process.sampler_connection import Client, Connect, OnEvent, Report
from lsp_server.session import Server
from lsp_server.workspace.documents import Document
from lsp_server.workspace.settings import SamplerSettings
from sampler.protocol.client import SamplerClient
from sampler.protocol.messages import InfillRequest, InfillResult
from seedfill.evaluation.duplicates import repeats_suffix
from seedfill.evaluation.keystrokes import Session, pause_s, strokes
from seedfill.evaluation.metrics import percentile, ratio
from seedfill.evaluation.virtual_time import VirtualTimeLoop, running_loop

CANCELLED = -32800
INLINE = "textDocument/inlineCompletion"


@dataclass(slots=True)
class Tally:
    """What is counted while typing."""

    keys_typed: int = 0
    keys_saved: int = 0
    accepted_chars: int = 0
    shown: int = 0
    wrong: int = 0
    accepted: int = 0
    suffix_duplicates: int = 0
    answers: int = 0
    from_memory: int = 0
    """Of the answers: remembered or prepared, so that nobody had to wait for a forward."""
    ms: list[float] = field(default_factory=list)
    """From key to a suggestion that was not on screen before, the server's own wait included."""
    sampler_requests: int = 0
    forwards: int = 0
    """Of all requests, those that were cancelled among them where the sampler is a service."""
    cache_misses: Counter[str] = field(default_factory=Counter)

    def figures(self) -> dict[str, Any]:
        """As documented for `seedfill eval typing --json`."""
        results = sum(self.cache_misses.values())
        return {
            "keys_typed": self.keys_typed,
            "keys_saved": self.keys_saved,
            "suggestions_shown": self.shown,
            "suggestions_accepted": self.accepted,
            "wrong_shown_rate": ratio(self.wrong, self.shown),
            "suffix_duplicates": self.suffix_duplicates,
            "cache_hit_rate": ratio(self.from_memory, self.answers),
            "forwards_per_accepted_char": ratio(self.forwards, self.accepted_chars),
            "ms_p50": percentile(self.ms, 50),
            "ms_p95": percentile(self.ms, 95),
            "accepted_chars": self.accepted_chars,
            "sampler_requests": self.sampler_requests,
            "sampler_results": results,
            "kv_hit_rate": ratio(self.cache_misses["none"], results),
            "kv_misses": {cause: n for cause, n in sorted(self.cache_misses.items()) if cause != "none"},
        }


def replay(
    typed: Sequence[Session],
    *,
    seed: int = 0,
    options: Any = None,
    connect: Connect = server.connect_client,
    prepare: Callable[[Server], None] = lambda ours: None,
    clock: Callable[[], float] = time.monotonic,
    on_key: Callable[[], None] = lambda: None,
) -> Tally:
    """Type all sessions; `options` are the client's initializationOptions. Raises sampler.protocol.client.SamplerError.

    `prepare` changes the server before it starts: some of its parts no setting switches off. `clock` is as that of a
    `VirtualTimeLoop`.
    """
    with asyncio.Runner(loop_factory=partial(VirtualTimeLoop, clock)) as runner:
        return runner.run(_replay(typed, random.Random(seed), options, connect, prepare, on_key))


async def _replay(
    typed: Sequence[Session],
    rng: random.Random,
    options: Any,
    connect: Connect,
    prepare: Callable[[Server], None],
    on_key: Callable[[], None],
) -> Tally:
    tally = Tally()
    clients: list[ChargedClient] = []

    def charged(settings: SamplerSettings, report: Report) -> Client:
        clients.append(ChargedClient(connect(settings, report), tally))
        return clients[-1]

    ours = server.create_server(charged, overrides={"sampler": {"mode": "private"}})
    prepare(ours)
    editor = Editor()
    serving = asyncio.create_task(server.serve(ours, editor.reader, editor))
    try:
        await editor.request("initialize", {"processId": None, "capabilities": {}, "initializationOptions": options})
        editor.notify("initialized", {})
        await ours.sampler.infill(InfillRequest(document="warm-up", pieces=("def ", "\n")))
        tally.sampler_requests, tally.forwards, tally.cache_misses = 0, 0, Counter()
        before = await clients[-1].forwards_so_far()
        for number, session in enumerate(typed):
            await _Typist(editor, ours.journal, tally, rng, on_key).type(session, _uri(session.file.name, number))
        tally.forwards = await clients[-1].forwards_so_far() - before
    finally:
        editor.reader.feed_eof()
        await serving
    return tally


def _uri(name: str, number: int) -> str:
    """Of session `number` in a file; a full path keeps its place, so that the files around it are there as well."""
    return f"file://{quote(name)}" if name.startswith("/") else f"file:///replay/{number}/{quote(name)}"


class ChargedClient:
    """A sampler client whose work takes its real time, and is counted; what is `Timeless` takes what it says."""

    def __init__(self, client: Client, tally: Tally) -> None:
        self._client = client
        self._tally = tally
        self._charge = nullcontext if isinstance(client, Timeless) else running_loop().working

    async def infill(self, request: InfillRequest, *, on_event: OnEvent | None = None) -> InfillResult:
        """Fill the spans of `request`."""
        self._tally.sampler_requests += 1
        with self._charge():
            result = await self._client.infill(request, on_event=on_event)
        self._tally.cache_misses[result.cache_miss] += 1
        self._tally.forwards += sum(candidate.forwards for candidate in result.candidates)
        return result

    async def health(self, *, start: bool = False) -> object:
        """How the service does."""
        with self._charge():
            return await self._client.health(start=start)

    async def forget(self, documents: Sequence[str]) -> None:
        """Let go of documents that were closed."""
        with self._charge():
            await self._client.forget(documents)

    async def forwards_so_far(self) -> int:
        """Of all requests where the sampler counts them itself, of the answered ones otherwise."""
        if isinstance(self._client, Timeless):
            return self._client.n_forwards
        if not isinstance(self._client, SamplerClient):
            return self._tally.forwards
        with self._charge():
            return (await self._client.counters()).get("forwards", 0)

    async def close(self) -> None:
        """End the service."""
        with self._charge():
            await self._client.close()


class Timeless:
    """A sampler that is only simulated: its waits are virtual, and it counts its passes by itself."""

    n_forwards = 0


class Editor:
    """A client in the same process: what it sends is fed to the server's reader, what it gets is written to it."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    def request(self, method: str, params: Any) -> asyncio.Future[Any]:
        """The result to come; None where the request was cancelled."""
        number = len(self._waiting) + 1
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        self._send({"id": number, "method": method, "params": params})
        return answer

    def cancel(self, answer: asyncio.Future[Any]) -> None:
        """Say that the answer is not wanted any more."""
        number = next(number for number, waiting in self._waiting.items() if waiting is answer)
        self.notify("$/cancelRequest", {"id": number})

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def write(self, data: bytes) -> None:
        """Take one message of the server; errors but a cancellation are the replay's own."""
        message = json.loads(data.partition(b"\r\n\r\n")[2])
        if "method" in message:
            if "id" in message:
                self._send({"id": message["id"], "result": None})
            return
        answer = self._waiting[message["id"]]
        if "error" not in message:
            answer.set_result(message["result"])
        elif message["error"]["code"] == CANCELLED:
            answer.set_result(None)
        else:
            answer.set_exception(RuntimeError(message["error"]["message"]))

    def close(self) -> None:
        """Nothing is held."""

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.reader.feed_data(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))


class _Typist:
    """One person in one document."""

    def __init__(
        self, editor: Editor, journal: Journal, tally: Tally, rng: random.Random, on_key: Callable[[], None]
    ) -> None:
        self._editor = editor
        self._journal = journal
        self._tally = tally
        self._rng = rng
        self._on_key = on_key
        self._text = ""
        self._cursor = 0
        self._version = 0
        self._on_screen = ""
        self._ms = 0.0

    async def type(self, session: Session, uri: str) -> None:
        """Open the document, type, close it."""
        self._uri, self._text, self._cursor = uri, session.before + session.after, len(session.before)
        document = {"uri": uri, "languageId": session.file.language, "version": 0, "text": self._text}
        self._editor.notify("textDocument/didOpen", {"textDocument": document})
        rest, previous = session.target, ""
        while rest:
            item = await self._suggestion(pause_s(self._rng, previous))
            text = self._look_at(item, rest, session.beyond)
            previous = self._accept(item, text) if item and text else self._press(strokes(rest)[0])
            rest = rest[len(previous) :]
        self._editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    async def _suggestion(self, pause: float) -> dict[str, Any] | None:
        """What is on screen when the next key is due; a request that is not answered by then is cancelled."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        params = {"textDocument": {"uri": self._uri}, "position": self._position(), "context": {"triggerKind": 2}}
        answer = self._editor.request(INLINE, params)
        await asyncio.wait([answer], timeout=pause)
        if not answer.done():
            self._editor.cancel(answer)
            return None
        answered = loop.time()
        source = self._journal.last.outcome.source if self._journal.last else None
        await asyncio.sleep(asked + pause - answered)
        items = (answer.result() or {"items": []})["items"]
        if not items:
            return None
        self._tally.answers += 1
        self._tally.from_memory += source != "sampler"
        self._ms = (answered - asked) * 1000
        return dict(items[0])

    def _look_at(self, item: dict[str, Any] | None, rest: str, beyond: str) -> str:
        """The item's text where it is accepted, up to the last key; one that was there before, less a key, counts no
        second time.
        """
        text = str(item["insertText"]) if item else ""
        fits = bool(text) and (rest + beyond).startswith(text)
        if text and text != self._on_screen:
            self._tally.shown += 1
            self._tally.ms.append(self._ms)
            self._tally.wrong += not fits
            before, after = self._text[: self._cursor], self._text[self._cursor :]
            self._tally.suffix_duplicates += not fits and repeats_suffix(text, before, after)
        self._on_screen = text
        return text[: len(rest)] if fits else ""

    def _accept(self, item: dict[str, Any], text: str) -> str:
        self._tally.accepted += 1
        self._tally.accepted_chars += len(text)
        self._tally.keys_saved += len(strokes(text)) - 1
        self._insert(text)
        self._on_screen = ""
        if command := item.get("command"):
            self._editor.request("workspace/executeCommand", command)
        return text

    def _press(self, stroke: str) -> str:
        self._tally.keys_typed += 1
        self._on_key()
        self._on_screen = self._on_screen.removeprefix(stroke) if self._on_screen.startswith(stroke) else ""
        self._insert(stroke)
        return stroke

    def _insert(self, text: str) -> None:
        place = self._position()
        self._version += 1
        change = {"range": {"start": place, "end": place}, "text": text}
        identifier = {"uri": self._uri, "version": self._version}
        self._editor.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [change]})
        self._text = self._text[: self._cursor] + text + self._text[self._cursor :]
        self._cursor += len(text)

    def _position(self) -> dict[str, int]:
        document = Document(self._uri, "", 0, self._text, "utf-16")
        return dict(document.position(self._cursor)._asdict())
