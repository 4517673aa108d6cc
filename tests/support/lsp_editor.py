"""An editor as far as edits go: it holds a document, applies what the server asks for, and shows what it is told."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from lsp_server.workspace.documents import Change, Document, Encoding, Position
from tests.support.lsp_client import LspClient
from tests.support.lsp_scripted import APPLY_TIMEOUT, MODULE, Script

ROOT = Path(__file__).parent.parent.parent
CAPABILITIES = {
    "workspace": {"workspaceEdit": {"documentChanges": True}, "applyEdit": True},
    "window": {"workDoneProgress": True},
    "textDocument": {
        "codeAction": {
            "dataSupport": True,
            "resolveSupport": {"properties": ["edit"]},
            "tagSupport": {"valueSet": [1]},
        }
    },
    "experimental": {"seedfillPreview": True},
}
_numbers = itertools.count()


class EditedBuffer:
    """An open document; `undo` holds its text before each applied edit."""

    def __init__(self, editor: EditingClient, text: str, uri: str) -> None:
        self.editor, self.uri = editor, uri
        self.document = Document(uri, "python", 1, text, editor.encoding)
        self.undo: list[str] = []

    @property
    def text(self) -> str:
        return self.document.text

    def range(self, start: int, end: int) -> dict[str, Any]:
        first, last = self.document.position(start), self.document.position(end)
        return {"start": first._asdict(), "end": last._asdict()}

    def range_of(self, part: str) -> dict[str, Any]:
        start = self.text.index(part)
        return self.range(start, start + len(part))

    def type(self, at: int, text: str) -> None:
        """A change of the person's own."""
        span = self.range(at, at)
        self.document.apply([Change(text, self.document.position(at), self.document.position(at))], self.next_version)
        self._tell([{"range": span, "text": text}])

    @property
    def next_version(self) -> int:
        return self.document.version + 1

    def apply(self, edits: list[dict[str, Any]], version: int | None) -> None:
        """A client's way: all positions speak of the text before the edit."""
        assert version in (None, self.document.version)
        self.undo.append(self.text)
        changes = [
            Change(edit["newText"], *(Position(**edit["range"][edge]) for edge in ("start", "end"))) for edit in edits
        ]
        changes.sort(key=lambda change: change[1:], reverse=True)
        self.document.apply(changes, self.next_version)
        self._tell([{"text": self.text}])

    def _tell(self, changes: list[dict[str, Any]]) -> None:
        identifier = {"uri": self.uri, "version": self.document.version}
        self.editor.client.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": changes})

    async def run(self, command: str, *arguments: Any) -> Any:
        params = {"command": command, "arguments": [self.uri, *arguments]}
        return await self.editor.client.request("workspace/executeCommand", params)

    async def actions(self, span: dict[str, Any], **context: Any) -> list[dict[str, Any]]:
        context = {"diagnostics": [], **context}
        params = {"textDocument": {"uri": self.uri}, "range": span, "context": context}
        return await self.editor.client.request("textDocument/codeAction", params) or []


class EditingClient:
    """Answers what the server asks: makes edits, shows progress, unless a test says otherwise by `replies`."""

    def __init__(self, client: LspClient, script: Script, encoding: Encoding) -> None:
        self.client, self.script = client, script
        self.encoding: Encoding = encoding
        self.buffers: dict[str, EditedBuffer] = {}
        self.replies: dict[str, Any] = {}
        client.answer = self._answer

    def open(self, text: str, name: str = "") -> EditedBuffer:
        buffer = EditedBuffer(self, text, f"file:///w/{name or f'file_{next(_numbers)}.py'}")
        self.buffers[buffer.uri] = buffer
        self.client.notifications.clear()
        item = {"uri": buffer.uri, "languageId": "python", "version": 1, "text": text}
        self.client.notify("textDocument/didOpen", {"textDocument": item})
        return buffer

    def asked(self, buffer: EditedBuffer) -> list[dict[str, Any]]:
        return [entry for entry in self.script.entries("request") if entry["document"].endswith(buffer.uri)]

    async def told(self, sentence: str) -> None:
        """Wait until the person is shown a message that says so."""
        await self.client.notification("window/showMessage", lambda params: sentence in params["message"])

    def make(self, edit: dict[str, Any]) -> None:
        for change in edit.get("documentChanges", ()):
            identifier = change["textDocument"]
            self.buffers[identifier["uri"]].apply(change["edits"], identifier["version"])
        for uri, edits in (edit.get("changes") or {}).items():
            self.buffers[uri].apply(edits, None)

    def _answer(self, method: str, params: Any) -> Any:
        if method in self.replies:
            return self.replies[method]
        if method == "workspace/applyEdit":
            self.make(params["edit"])
            return {"applied": True}
        return None


@contextlib.asynccontextmanager
async def editing_client(
    encoding: Encoding = "utf-16", capabilities: dict[str, Any] | None = None, **env: str
) -> AsyncIterator[EditingClient]:
    with tempfile.TemporaryDirectory(prefix="seedfill-") as folder:
        script = Script(Path(folder))
        script.rules()
        env = {**script.env, "XDG_STATE_HOME": folder, "XDG_RUNTIME_DIR": folder, APPLY_TIMEOUT: "2", **env}
        async with LspClient.fork([MODULE, "server"], ROOT, env) as client:
            folders = [{"uri": "file:///w", "name": "w"}]
            chosen = CAPABILITIES if capabilities is None else capabilities
            await client.initialize(None, encoding, workspaceFolders=folders, capabilities=chosen)
            yield EditingClient(client, script, encoding)
            assert await client.shut_down() == 0
