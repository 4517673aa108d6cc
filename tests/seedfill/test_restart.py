"""The shared sampler goes away under those who use it: whoever asks next has a new one."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sampler.protocol.client import SamplerClient
from seedfill import cli
from tests.support.lsp_client import LspClient
from tests.support.lsp_scripted import COMMAND, Script, model_without_facts
from tests.support.sampler_home import Home, eventually, sampler_home

ROOT = Path(__file__).parents[2]
URI = "file:///w/a.py"


@pytest.fixture
def home() -> Iterator[Home]:
    """A place where the shell starts the same scripted sampler as the editor."""
    with sampler_home() as home:
        script = Script(home.folder)
        script.rules({"fills": ["filled"]})
        model = model_without_facts(home.folder)  # the same for both: who has another one replaces the sampler
        for name, value in {**script.env, "SEEDFILL_MODEL": str(model)}.items():
            home.patch.setenv(name, value)
        shared = functools.partial(SamplerClient, command=[*COMMAND, "service"])
        home.patch.setattr("sampler.protocol.client.SamplerClient", shared)
        yield home


@pytest.fixture
async def editor(home: Home) -> AsyncIterator[LspClient]:
    """A language server that uses the shared sampler, with a file open."""
    async with LspClient.start([*COMMAND, "window"], ROOT) as client:
        await client.initialize({"completion": {"deadlineMs": 60_000}})  # the starts are looked at, not the pace
        item = {"uri": URI, "languageId": "python", "version": 1, "text": "a = \nb = \nc = \n"}
        client.notify("textDocument/didOpen", {"textDocument": item})
        yield client


async def in_editor(client: LspClient, line: int) -> None:
    """Ask at the end of a line: of another one each time, as answers are remembered."""
    where = {"textDocument": {"uri": URI}, "position": {"line": line, "character": 4}}
    answer = await client.request("textDocument/inlineCompletion", {**where, "context": {"triggerKind": 1}})
    assert answer["items"][0]["insertText"] == "filled"


async def in_shell(*arguments: object) -> None:
    assert await asyncio.to_thread(cli.run, [*map(str, arguments)]) == 0


async def service() -> int:
    """The process that is the sampler."""
    async with SamplerClient() as sampler:
        health = await sampler.health()
    assert health is not None
    return health.pid


async def test_a_sampler_that_is_gone_is_started_by_who_asks_next(
    home: Home, editor: LspClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.py"
    file.write_text("a = \n")
    fill = ("fill", file, "--at", "1:5")

    await in_editor(editor, 0)
    first = await service()
    await in_shell("stop")
    await in_shell(*fill)
    second = await service()
    os.kill(second, signal.SIGKILL)
    await in_editor(editor, 1)
    third = await service()
    os.kill(third, signal.SIGKILL)
    await asyncio.gather(in_shell(*fill), in_editor(editor, 2))
    fourth = await service()
    assert len({first, second, third, fourth}) == 4
    eventually(lambda: [process.pid for process in home.processes()] == [fourth])
    assert capsys.readouterr().out.count("filled") == 2
