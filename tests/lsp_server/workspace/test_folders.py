"""A workspace of several folders: each with its own settings, and its own ignored files."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.lsp_server.features.test_inline_completion import ROOT, Editor
from tests.support.lsp_client import TIMEOUT_S, LspClient
from tests.support.lsp_scripted import MODULE, Script

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFF = {"enabled": False}
SHORT = {"maxTokens": 7}


class Configuration:
    """A client's settings by folder; None stands for the window."""

    def __init__(self, of_window: dict[str, Any], of_folders: dict[str, dict[str, Any]]) -> None:
        base = {"debounceMs": 0, "speculative": False}
        self.given: dict[str | None, dict[str, Any]] = {None: {**base, **of_window}}
        self.given |= {uri: {**base, **own} for uri, own in of_folders.items()}
        self.asked: list[list[str | None]] = []
        self._news = asyncio.Event()

    async def until_asked(self, client: LspClient) -> list[str | None]:
        """The folders that the server asked for next; it has heard the answer."""
        await asyncio.wait_for(self._news.wait(), TIMEOUT_S)
        self._news.clear()
        await client.request("workspace/executeCommand", {"command": "seedfill.explain"})
        return self.asked[-1]

    def answer(self, method: str, params: Any) -> Any:
        scopes = [item.get("scopeUri") for item in params["items"]]
        self.asked.append(scopes)
        self._news.set()
        return [{"completion": self.given[scope]} for scope in scopes]


@contextlib.asynccontextmanager
async def workspace(configuration: Configuration, *folders: str) -> AsyncIterator[Editor]:
    with tempfile.TemporaryDirectory(prefix="seedfill-") as home:
        script = Script(Path(home))
        script.rules({"before": "x = ", "fills": ["1"]})
        env = {**script.env, "XDG_STATE_HOME": home, "XDG_RUNTIME_DIR": home}
        async with LspClient.fork([MODULE, "server"], ROOT, env) as client:
            client.answer = configuration.answer
            named = [{"uri": uri, "name": uri} for uri in folders]
            await client.initialize(workspaceFolders=named, capabilities={"workspace": {"configuration": True}})
            yield Editor(client, script, "utf-16")


async def test_each_folder_has_its_own_settings(tmp_path: Path) -> None:
    one, two = ((tmp_path / name).as_uri() for name in ("one", "two"))
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / ".gitignore").write_text("build/\n")
    configuration = Configuration({}, {one: OFF, two: SHORT})
    async with workspace(configuration, one, two) as editor:
        assert await configuration.until_asked(editor.client) == [None, one, two]
        assert await editor.open("x = ║", name=f"{one}/a.py").ghost() is None
        assert await editor.open("x = ║", name=f"{two}/a.py").ghost() == "1"
        assert await editor.open("x = ║", name=f"{two}/build/a.py").ghost() is None
        assert await editor.open("x = ║", name=f"{tmp_path.as_uri()}/elsewhere.py").ghost() == "1"
        assert (await editor.asked(f"{two}/a.py"))[0]["max_tokens"] == 7

        change = {"added": [], "removed": [{"uri": one, "name": one}]}
        editor.client.notify("workspace/didChangeWorkspaceFolders", {"event": change})
        assert await configuration.until_asked(editor.client) == [None]
        assert await editor.open("x = ║", name=f"{one}/b.py").ghost() == "1"
