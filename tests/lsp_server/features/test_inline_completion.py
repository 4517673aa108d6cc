"""Ghost text from end to end: a real server process and a real sampler service, with a scripted engine for a model."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from lsp_server.workspace.documents import Document, Encoding
from tests.support.lsp_client import LspClient, LspError
from tests.support.lsp_scripted import MODULE, Script
from tests.support.sampler_home import eventually

ROOT = Path(__file__).parents[3]
INLINE = "textDocument/inlineCompletion"
CANCELLED = -32800

pytestmark = pytest.mark.asyncio(loop_scope="module")

_numbers = itertools.count()


class Editor:
    """A client with a cursor: texts are written with `║` where the cursor stands."""

    def __init__(self, client: LspClient, script: Script, encoding: Encoding) -> None:
        self.client = client
        self.script = script
        self.encoding: Encoding = encoding

    def open(self, marked: str, *, name: str = "", language: str = "python") -> Buffer:
        buffer = Buffer(self, name or f"file:///w/file_{next(_numbers)}.py", *_unmarked(marked))
        item = {"uri": buffer.uri, "languageId": language, "version": 0, "text": buffer.text}
        self.client.notify("textDocument/didOpen", {"textDocument": item})
        return buffer

    async def asked(self, uri: str, what: str = "request") -> list[dict[str, Any]]:
        """What the service was asked for a document so far."""
        return [entry for entry in self.script.entries(what) if entry["document"].endswith(uri)]

    async def until_asked(self, uri: str, n: int = 1, what: str = "request") -> list[dict[str, Any]]:
        async with asyncio.timeout(30):
            while len(entries := await self.asked(uri, what)) < n:
                await asyncio.sleep(0.005)
        return entries


class Buffer:
    """An open document and the cursor in it."""

    def __init__(self, editor: Editor, uri: str, text: str, cursor: int) -> None:
        self.editor, self.uri, self.text, self.cursor, self.version = editor, uri, text, cursor, 0

    def position(self, offset: int) -> dict[str, int]:
        """By the index that test_lsp_documents checks against a naive one."""
        document = Document(self.uri, "python", 0, self.text, self.editor.encoding)
        return dict(document.position(offset)._asdict())

    def here(self, trigger: int = 2, **context: Any) -> dict[str, Any]:
        return {
            "textDocument": {"uri": self.uri},
            "position": self.position(self.cursor),
            "context": {"triggerKind": trigger, **context},
        }

    def range(self, start: int, end: int) -> dict[str, Any]:
        return {"start": self.position(start), "end": self.position(end)}

    def change(self, start: int, end: int, text: str) -> dict[str, Any]:
        """The notification of a change, not yet sent; the cursor moves behind it."""
        self.version += 1
        params = {
            "textDocument": {"uri": self.uri, "version": self.version},
            "contentChanges": [{"range": self.range(start, end), "text": text}],
        }
        self.text = self.text[:start] + text + self.text[end:]
        self.cursor = start + len(text)
        return {"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params}

    def type(self, text: str) -> None:
        self.editor.client.send(self.change(self.cursor, self.cursor, text))

    async def items(self, trigger: int = 2, **context: Any) -> list[dict[str, Any]] | None:
        answer = await self.editor.client.request(INLINE, self.here(trigger, **context))
        return None if answer is None else list(answer["items"])

    async def ghost(self, trigger: int = 2) -> str | None:
        """The text of the first item, which is to be inserted at the cursor."""
        items = await self.items(trigger)
        if items is None:
            return None
        assert items[0]["range"] == self.range(self.cursor, self.cursor)
        return str(items[0]["insertText"])


def _unmarked(marked: str) -> tuple[str, int]:
    before, _, after = marked.partition("║")
    return before + after, len(before)


@contextlib.asynccontextmanager
async def editing(
    encoding: Encoding = "utf-16", options: object = None, *, server: str = "server"
) -> AsyncIterator[Editor]:
    with tempfile.TemporaryDirectory(prefix="seedfill-") as folder:
        script = Script(Path(folder))
        script.rules()
        env = {**script.env, "XDG_STATE_HOME": folder, "XDG_RUNTIME_DIR": folder}
        async with LspClient.fork([MODULE, server], ROOT, env) as client:
            folders = [{"uri": "file:///w", "name": "w"}]
            merged = {"completion": {"debounceMs": 0, "speculative": False}} if options is None else options
            await client.initialize(merged, encoding, workspaceFolders=folders)
            yield Editor(client, script, encoding)
            assert await client.shut_down() == 0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def editor() -> AsyncIterator[Editor]:
    async with editing() as editor:
        yield editor


async def test_ghost_text(editor: Editor) -> None:
    editor.script.rules({"before": "return ", "fills": ["a + b\n", "a - b"]})
    buffer = editor.open("def add(a, b):\n    return ║\n\nprint(add(1, 2))\n", name="file:///w/pkg/add.py")
    items = await buffer.items()
    assert items
    assert [item["insertText"] for item in items] == ["a + b", "a - b"]
    (asked,) = await editor.asked(buffer.uri)
    assert asked["pieces"] == ["def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n"]
    assert (asked["language"], asked["path"], asked["one_line"]) == ("python", "pkg/add.py", True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_positions_after_any_character(encoding: Encoding) -> None:
    async with editing(encoding) as editor:
        editor.script.rules({"before": "é漢😀", "fills": ["!"]}, {"before": "\u2028b", "fills": ["?"]})
        buffer = editor.open("a\f\u2028b\r\nx = '😀\r\n\ttail")
        buffer.cursor = buffer.text.index("\r\n\ttail")
        buffer.type("é漢😀")
        assert await buffer.ghost() == "!"
        (asked,) = await editor.asked(buffer.uri)
        assert asked["pieces"] == ["a\f\u2028b\nx = '😀é漢😀", "\n\ttail"]
        buffer.cursor = buffer.text.index("\r\n")
        assert await buffer.ghost() == "?"


async def test_an_empty_buffer(editor: Editor) -> None:
    editor.script.rules({"fills": ["import os"]})
    assert await editor.open("║").ghost() == "import os"


async def test_no_fill_is_null(editor: Editor) -> None:
    editor.script.rules({"fills": ["  \n"]})
    assert await editor.open("x = ║").items() is None


async def test_a_document_that_is_not_open_is_null(editor: Editor) -> None:
    buffer = editor.open("║")
    editor.client.notify("textDocument/didClose", {"textDocument": {"uri": buffer.uri}})
    assert await buffer.items(1) is None


async def test_a_lone_surrogate(editor: Editor) -> None:
    editor.script.rules({"fills": ["ok"]})
    buffer = editor.open("s = '\ud83d'\n║")
    assert await buffer.ghost() == "ok"


async def test_a_long_buffer(editor: Editor) -> None:
    """50,000 lines: keystrokes in the middle are followed, and the model sees only what is near."""
    editor.script.rules({"before": "y = abc", "fills": [" + 1"]})
    lines = "".join(f"value_{number} = {number}\n" for number in range(50_000))
    middle = lines.index("value_25000 ")
    buffer = editor.open(lines[:middle] + "║" + lines[middle:])
    start = buffer.position(buffer.cursor)
    for number, char in enumerate("y = abc\n", start=1):
        place = {"line": start["line"], "character": number - 1}
        change = {"range": {"start": place, "end": place}, "text": char}
        identifier = {"uri": buffer.uri, "version": number}
        editor.client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [change]})
    buffer.text, buffer.cursor = lines[:middle] + "y = abc\n" + lines[middle:], middle + len("y = abc")
    assert await buffer.ghost() == " + 1"
    (asked,) = await editor.asked(buffer.uri)
    assert sum(map(len, asked["pieces"])) < 5000


async def test_typing_through_asks_once(editor: Editor) -> None:
    editor.script.rules({"before": "total = ", "fills": ["sum(xs)"]})
    buffer = editor.open("total = ║\nprint(total)\n")
    assert await buffer.ghost() == "sum(xs)"
    for typed, rest in (("s", "um(xs)"), ("um", "(xs)")):
        buffer.type(typed)
        assert await buffer.ghost() == rest
    assert len(await editor.asked(buffer.uri)) == 1


async def test_a_newer_request_cancels_the_older(editor: Editor) -> None:
    editor.script.rules({"before": "= ", "fills": ["old"], "until": "never"}, {"before": "= n", "fills": ["ew"]})
    buffer = editor.open("x = ║")
    _, older = editor.client.send_request(INLINE, buffer.here())
    await editor.until_asked(buffer.uri)
    buffer.type("n")
    assert await buffer.ghost() == "ew"
    assert await older is None
    await editor.until_asked(buffer.uri, what="cancelled")


async def test_cancelling_reaches_the_sampler(editor: Editor) -> None:
    editor.script.rules({"fills": ["late"], "until": "never"})
    buffer = editor.open("x = ║")
    msg_id, answer = editor.client.send_request(INLINE, buffer.here())
    await editor.until_asked(buffer.uri)
    editor.client.notify("$/cancelRequest", {"id": msg_id})
    with pytest.raises(LspError) as cancelled:
        await asyncio.wait_for(answer, 30)
    assert cancelled.value.code == CANCELLED
    await editor.until_asked(buffer.uri, what="cancelled")


async def test_closing_cancels_what_runs(editor: Editor) -> None:
    editor.script.rules({"fills": ["late"], "until": "never"})
    buffer = editor.open("x = ║")
    _, answer = editor.client.send_request(INLINE, buffer.here())
    await editor.until_asked(buffer.uri)
    editor.client.notify("textDocument/didClose", {"textDocument": {"uri": buffer.uri}})
    assert await asyncio.wait_for(answer, 30) is None
    await editor.until_asked(buffer.uri, what="cancelled")


def _typed(buffer: Buffer) -> None:
    buffer.type("y")


def _typed_and_undone(buffer: Buffer) -> None:
    """The text is what it was, but the client has moved on to another version."""
    end = buffer.cursor
    buffer.type("y")
    buffer.editor.client.send(buffer.change(end, end + 1, ""))


def _changed_elsewhere(buffer: Buffer) -> None:
    buffer.editor.client.send(buffer.change(0, 1, "z"))


def _reopened(buffer: Buffer) -> None:
    buffer.editor.open("another║", name=buffer.uri)


@pytest.mark.parametrize("moves_on", [_typed, _typed_and_undone, _changed_elsewhere, _reopened])
async def test_an_answer_for_a_document_that_moved_on_is_null(
    editor: Editor, moves_on: Callable[[Buffer], None]
) -> None:
    name = f"go-{moves_on.__name__}"
    editor.script.rules({"before": "x = ", "fills": ["late"], "until": name})
    buffer = editor.open("x = ║")
    _, answer = editor.client.send_request(INLINE, buffer.here())
    await editor.until_asked(buffer.uri)
    moves_on(buffer)
    editor.script.release(name)
    assert await asyncio.wait_for(answer, 30) is None


async def test_the_snapshot_is_of_the_moment_of_the_request(editor: Editor) -> None:
    """The change follows the request in the same piece of bytes, and must not be what the request sees."""
    editor.script.rules({"before": "x = ", "fills": ["1"]}, {"before": "= y", "fills": ["2"]})
    buffer = editor.open("x = ║")
    answer = editor.client.expect("before")
    request = {"jsonrpc": "2.0", "id": "before", "method": INLINE, "params": buffer.here()}
    editor.client.send(request, buffer.change(buffer.cursor, buffer.cursor, "y"))
    assert await asyncio.wait_for(answer, 30) is None
    assert all(asked["pieces"][0] == "x = " for asked in await editor.asked(buffer.uri))


async def test_the_selected_item_of_the_clients_own_list_is_extended(editor: Editor) -> None:
    editor.script.rules({"before": "os.path", "fills": [".join(a)"]})
    buffer = editor.open("p = os.pa║\n")
    chosen = {"range": buffer.range(4, 9), "text": "os.path"}
    items = await buffer.items(selectedCompletionInfo=chosen)
    assert items
    assert [(item["insertText"], item["range"]) for item in items] == [("os.path.join(a)", chosen["range"])]
    (asked,) = await editor.asked(buffer.uri)
    assert asked["pieces"] == ["p = os.path", "\n"]


@pytest.mark.parametrize(("start", "end"), [(0, 3), (4, 5)])
async def test_a_selected_item_that_is_not_at_the_cursor_gets_nothing(editor: Editor, start: int, end: int) -> None:
    editor.script.rules({"fills": ["x"]})
    buffer = editor.open("p = os.pa║\n")
    chosen = {"range": buffer.range(start, end), "text": "os.path"}
    assert await buffer.items(selectedCompletionInfo=chosen) is None


async def test_a_selected_item_that_nothing_extends_gets_nothing(editor: Editor) -> None:
    editor.script.rules({"fills": [""]})
    buffer = editor.open("p = os.pa║\n")
    assert await buffer.items(selectedCompletionInfo={"range": buffer.range(4, 9), "text": "os.path"}) is None


async def test_other_languages_are_answered_when_asked_by_hand(editor: Editor) -> None:
    editor.script.rules({"fills": ["1;"]})
    buffer = editor.open("int x = ║", language="c")
    assert await buffer.ghost(trigger=2) is None
    assert await buffer.ghost(trigger=1) == "1;"


@pytest.mark.parametrize("name", ["file:///w/.env", "file:///w/server.pem", "file:///home/me/.ssh/notes.py"])
async def test_secrets_are_never_sent(editor: Editor, name: str) -> None:
    editor.script.rules({"fills": ["secret"]})
    buffer = editor.open("KEY = ║", name=name)
    assert await buffer.ghost(trigger=1) is None
    assert not await editor.asked(buffer.uri)


async def test_a_failure_is_told_once_and_the_next_request_works(editor: Editor) -> None:
    sentence = "The model file is cut off: copy it again."
    editor.script.rules({"before": "bad = ", "fails": sentence}, {"before": "good = ", "fills": ["1"]})
    for _ in range(2):
        assert await editor.open("bad = ║").items() is None
    shown = await editor.client.notification("window/showMessage")
    assert (shown["type"], shown["message"]) == (1, f"Seedfill: {sentence}")
    status = await editor.client.notification("seedfill/status", lambda status: status["state"] == "error")
    assert status["message"] == sentence
    assert await editor.open("good = ║").ghost() == "1"
    await editor.client.notification("seedfill/status", lambda status: status["state"] == "ready")
    assert not [note for note in editor.client.notifications if note["method"] == "window/showMessage"]


async def test_opening_a_file_starts_the_sampler() -> None:
    """So that the first keystroke does not wait for it; files without suggestions leave it alone."""
    async with editing() as editor:
        editor.open("x = ║", name="file:///w/.env")
        editor.open("x = ║", language="c")
        assert await editor.open("x = ║", name="file:///w/.env").ghost() is None
        status = await editor.client.notification("seedfill/status")
        assert (status["state"], "may hold secrets" in status["message"]) == ("off", True)
        assert not [note for note in editor.client.notifications if note["method"] == "seedfill/status"]
        editor.open("x = ║")
        await editor.client.notification("seedfill/status", lambda status: status["state"] == "ready")


async def test_loading_is_shown() -> None:
    async with editing() as editor:
        editor.script.rules({"fills": ["1"], "loading": 0.25})
        assert await editor.open("x = ║").ghost() == "1"
        states = [note["params"] for note in editor.client.notifications if note["method"] == "seedfill/status"]
        assert states[0] == {"state": "loading", "message": "Starting the sampler service"}
        assert {"state": "loading", "message": "Loading scripted (25%)"} in states
        assert states[-1] == {"state": "ready", "message": ""}


async def test_a_change_that_cannot_be_read_ends_suggestions_in_that_document(editor: Editor) -> None:
    """What we hold of it would be wrong from then on, and so would every suggestion."""
    editor.script.rules({"fills": ["1"]})
    buffer = editor.open("x = ║")
    params = {"textDocument": {"uri": buffer.uri, "version": "two"}, "contentChanges": [{}]}
    editor.client.notify("textDocument/didChange", params)
    assert await buffer.ghost(trigger=1) is None
    assert "Reopen" in (await editor.client.notification("window/showMessage"))["message"]
    assert await editor.open("x = ║", name=buffer.uri).ghost() == "1"


async def test_settings_change_while_it_runs(editor: Editor) -> None:
    editor.script.rules({"fills": ["1"]})
    off: dict[str, Any] = {"completion": {"enabled": False}}
    editor.client.notify("workspace/didChangeConfiguration", {"settings": {"seedfill": off}})
    assert await editor.open("x = ║").ghost() is None
    short = {"completion": {"maxTokens": 7, "debounceMs": 0, "speculative": False}}
    editor.client.notify("workspace/didChangeConfiguration", {"settings": {"seedfill": short}})
    buffer = editor.open("x = ║")
    assert await buffer.ghost() == "1"
    assert (await editor.asked(buffer.uri))[0]["max_tokens"] == 7


async def test_restarting_the_service_ends_what_runs_and_starts_a_new_one(editor: Editor) -> None:
    editor.script.rules({"before": "x = ", "fills": ["late"], "until": "never"}, {"before": "y = ", "fills": ["1"]})
    buffer = editor.open("x = ║")
    _, answer = editor.client.send_request(INLINE, buffer.here())
    await editor.until_asked(buffer.uri)
    assert await editor.client.request("workspace/executeCommand", {"command": "seedfill.restartService"}) is None
    assert await asyncio.wait_for(answer, 30) is None
    assert await editor.open("y = ║").ghost() == "1"


def services(editor: Editor) -> list[list[str]]:
    """The command lines of the services in the editor's own folder."""
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if any(part.startswith(str(editor.script.folder)) for part in line)]


async def test_threads_that_are_changed_while_one_works_reach_a_shared_service() -> None:
    async with editing(server="window") as editor:
        editor.script.rules({"before": "= ", "fills": ["1"]})
        assert await editor.open("x = ║").ghost() == "1"
        assert "--threads=2" not in services(editor)[0]
        settings = {"seedfill": {"sampler": {"threads": 2}, "completion": {"debounceMs": 0}}}
        editor.client.notify("workspace/didChangeConfiguration", {"settings": settings})
        assert await editor.open("y = ║").ghost() == "1", "of the service that leaves or of the one that comes"
        await asyncio.to_thread(eventually, lambda: all("--threads=2" in service for service in services(editor)))
        assert await editor.open("z = ║").ghost() == "1"
        (service,) = services(editor)
        assert "--threads=2" in service
        await editor.client.request("workspace/executeCommand", {"command": "seedfill.restartService"})


async def test_the_completion_fallback() -> None:
    async with editing(options={"completion": {"fallback": True, "debounceMs": 0, "speculative": False}}) as editor:
        editor.script.rules({"before": "ran", "fills": ["ge(10):"]})
        buffer = editor.open("for x in ran║\n")
        params = {key: value for key, value in buffer.here().items() if key != "context"}
        (item,) = (await editor.client.request("textDocument/completion", params))["items"]
        assert item["label"] == "range(10):"
        assert item["textEdit"] == {"range": buffer.range(9, 12), "newText": "range(10):"}
        assert item["filterText"].startswith("ran")
