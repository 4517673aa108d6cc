"""Nothing scripted: the server, the service and the model that ships with the package."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.lsp_client import LspClient

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "lsp_server", "--stdio", "--sampler", "private"]
INLINE = "textDocument/inlineCompletion"
URI = "file:///w/shapes.py"
TEXT = (
    "def area(width, height):\n    return \n\n\ndef volume(width, height, depth):\n    return width * height * depth\n"
)


async def test_a_cursor_in_a_file_becomes_ghost_text(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    async with LspClient.start(COMMAND, ROOT, env) as client:
        await client.initialize({"completion": {"deadlineMs": 60_000}})
        item = {"uri": URI, "languageId": "python", "version": 1, "text": TEXT}
        client.notify("textDocument/didOpen", {"textDocument": item})
        cursor = {"line": 1, "character": len("    return ")}
        context = {"triggerKind": 1}
        params = {"textDocument": {"uri": URI}, "position": cursor, "context": context}
        answer = await client.request(INLINE, params)
        assert answer["items"][0]["range"] == {"start": cursor, "end": cursor}
        assert answer["items"][0]["insertText"].strip()
        assert await client.request(INLINE, params) == answer
        states = [note["params"]["state"] for note in client.notifications if note["method"] == "seedfill/status"]
        assert states[0] == "loading"
        assert states[-1] == "ready"
        assert await client.shut_down() == 0
