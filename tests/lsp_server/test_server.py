"""The server as a process: how it starts, what it answers to whatever comes in, and when it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from tests.support.lsp_client import LspClient, LspError, framed

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["lsp_server", "--stdio", "--sampler", "private"]
URI = "file:///w/a.py"
METHOD = "textDocument/inlineCompletion"
COMMANDS = "workspace/executeCommand"
UNKNOWN = {"uri": "never opened", "version": 1}
pytestmark = pytest.mark.asyncio(loop_scope="module")

CURSOR = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 0}, "context": {"triggerKind": 2}}


@contextlib.asynccontextmanager
async def started(folder: Path) -> AsyncIterator[LspClient]:
    async with LspClient.fork(ARGUMENTS, ROOT, _homes(folder)) as client:
        yield client


def from_nothing(folder: Path) -> contextlib.AbstractAsyncContextManager[LspClient]:
    return LspClient.start([sys.executable, "-m", *ARGUMENTS], ROOT, _homes(folder))


def _homes(folder: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LspClient]:
    """One server that all tests which leave it up share."""
    async with started(tmp_path_factory.mktemp("server")) as client:
        await client.initialize()
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def fresh(tmp_path: Path) -> AsyncIterator[LspClient]:
    """A server of the test's own, to see how it starts and how it ends."""
    async with from_nothing(tmp_path) as client:
        await client.initialize()
        yield client


async def is_up(client: LspClient) -> bool:
    """Whether the server still does its work: an inline completion for no document is null."""
    return await client.request(METHOD, CURSOR) is None


async def test_capabilities(tmp_path: Path) -> None:
    async with started(tmp_path) as client:
        result = await client.initialize(encoding="utf-8")
    capabilities = result["capabilities"]
    assert capabilities["inlineCompletionProvider"] == {}
    assert capabilities["positionEncoding"] == "utf-8"
    assert capabilities["textDocumentSync"]["change"] == 2
    assert capabilities["textDocumentSync"]["save"]
    assert "completionProvider" not in capabilities
    assert result["serverInfo"]["name"] == "seedfill"


async def test_the_completion_fallback_is_there_for_those_who_ask(tmp_path: Path) -> None:
    async with started(tmp_path) as client:
        result = await client.initialize({"completion": {"fallback": True}})
    assert "completionProvider" in result["capabilities"]


async def test_start_is_light(fresh: LspClient) -> None:
    """Seconds of processor time, which a busy machine does not stretch; resident memory; no torch."""
    process = psutil.Process(fresh.process.pid)
    times, memory = process.cpu_times(), process.memory_info().rss
    assert times.user + times.system < 1.5
    assert memory < 100_000_000
    if sys.platform == "linux":
        maps = Path(f"/proc/{fresh.process.pid}/maps").read_text()
        assert "torch" not in maps
        assert "numpy" not in maps


async def test_importing_the_server_loads_no_torch() -> None:
    program = "import sys, lsp_server.server; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "transformers", "tokenizers", "httpcore"}.intersection(done.stdout.split())


async def test_an_orderly_end(fresh: LspClient) -> None:
    assert await fresh.shut_down() == 0


async def test_an_end_without_shutdown(fresh: LspClient) -> None:
    fresh.notify("exit", None)
    assert await fresh.exit_code() == 1


@pytest.mark.parametrize(("in_order", "code"), [(True, 0), (False, 1)])
async def test_the_command_ends_as_the_server_does(tmp_path: Path, in_order: bool, code: int) -> None:
    command = [sys.executable, "-m", "seedfill", "lsp", "--sampler", "private", "--log-level", "debug"]
    async with LspClient.start(command, ROOT, _homes(tmp_path)) as client:
        await client.initialize()
        assert await is_up(client)
        if in_order:
            await client.request("shutdown")
        client.notify("exit", None)
        assert await client.exit_code() == code
    assert " DEBUG " in (tmp_path / "seedfill" / "log" / "lsp.log").read_text()


async def test_the_end_of_the_input_is_the_end(fresh: LspClient) -> None:
    assert fresh.process.stdin
    fresh.process.stdin.close()
    assert await fresh.exit_code() == 1


async def test_it_leaves_when_its_parent_dies(tmp_path: Path) -> None:
    """The editor's process ends, but the pipes stay open, as when another child of the editor holds them."""
    editor = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    async with from_nothing(tmp_path) as client:
        await client.initialize(processId=editor.pid)
        assert await is_up(client)
        editor.kill()
        await editor.wait()
        assert await client.exit_code() == 1


async def test_a_parent_that_cannot_be_seen_is_no_reason_to_leave(tmp_path: Path) -> None:
    gone = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await gone.wait()
    async with started(tmp_path) as client:
        await client.initialize(processId=gone.pid)
        assert await is_up(client)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"method": METHOD}, -32602),
        ({"method": METHOD, "params": None}, -32602),
        ({"method": METHOD, "params": [1, 2]}, -32602),
        ({"method": METHOD, "params": {**CURSOR, "position": {"line": -1, "character": "x"}}}, -32602),
        ({"method": COMMANDS, "params": {"command": "seedfill.nothing"}}, -32602),
        ({"method": COMMANDS, "params": {"command": "seedfill.nothing", "arguments": [{"jsonrpc": "2.0"}]}}, -32602),
        ({"method": "no/such/method", "params": {}}, -32601),
        ({"method": "no/such/method"}, -32601),
        ({"method": 7}, -32600),
        ({"method": None}, -32600),
        ({"method": None, "result": 1, "jsonrpc": "1.0"}, -32600),
        ({"method": "initialize", "params": {}}, -32600),
        ({"method": "shutdown", "jsonrpc": "3"}, -32600),
    ],
)  # fmt: skip
async def test_malformed_requests_are_answered(client: LspClient, message: dict[str, Any], code: int) -> None:
    answer = client.expect("mine")
    client.send({"jsonrpc": "2.0", "id": "mine", **message})
    with pytest.raises(LspError) as refused:
        await asyncio.wait_for(answer, 30)
    assert refused.value.code == code
    assert await is_up(client)


async def test_what_is_wrong_is_named(client: LspClient) -> None:
    with pytest.raises(LspError, match=r"Malformed textDocument/inlineCompletion: .*params\.position"):
        await client.request(METHOD, {"textDocument": {"uri": URI}})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe\x00", -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b"3", -32600),
        (b"{}", -32600),
        (json.dumps({"jsonrpc": "2.0", "id": {}, "method": "shutdown"}).encode(), -32600),
        (json.dumps({"jsonrpc": "2.0", "id": None, "method": "shutdown"}).encode(), -32600),
        (json.dumps({"jsonrpc": "2.0", "id": [], "result": 1}).encode(), -32600),
    ],
    ids=repr,
)
async def test_what_is_no_message_is_refused_without_an_id(client: LspClient, body: bytes, code: int) -> None:
    client.send(body)
    refusal = await client.refusal()
    assert refusal["id"] is None
    assert refusal["error"]["code"] == code
    assert await is_up(client)


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n",
        b"\x00\xff" * 500 + b"\n",
        b"x" * 300_000 + b"\n",
        b"Content-Length: nonsense\r\n\r\n",
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: 0\r\n\r\n",
        b"Content-Length: 99999999999999\r\n\r\n",
        b"\r\n\r\n",
    ],
    ids=lambda garbage: repr(garbage[:30]),
)
async def test_garbage_between_messages_is_skipped(client: LspClient, garbage: bytes) -> None:
    client.send_bytes(garbage)
    assert await is_up(client)


async def test_headers_may_be_in_lower_case_and_in_any_order(client: LspClient) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": "low", "method": METHOD, "params": CURSOR})
    answer = client.expect("low")
    client.send_bytes(f"content-type: x\r\ncontent-length:{len(body)}\r\n\r\n{body}".encode())
    assert await asyncio.wait_for(answer, 30) is None


async def test_a_message_in_pieces_is_put_together(client: LspClient) -> None:
    answer = client.expect("slow")
    body = framed({"jsonrpc": "2.0", "id": "slow", "method": METHOD, "params": CURSOR})
    for byte in body:
        client.send_bytes(bytes([byte]))
        await asyncio.sleep(0)
    assert await asyncio.wait_for(answer, 30) is None


@pytest.mark.parametrize(
    "message",
    [
        {"method": "textDocument/didOpen", "params": {}},
        {"method": "textDocument/didChange", "params": {"textDocument": UNKNOWN}},
        {"method": "textDocument/didChange", "params": {"textDocument": UNKNOWN, "contentChanges": []}},
        {"method": "textDocument/didChange", "params": 3},
        {"method": "textDocument/didClose", "params": {"textDocument": {"uri": "never opened"}}},
        {"method": "workspace/didChangeConfiguration", "params": {"settings": 3}},
        {"method": "workspace/didChangeConfiguration", "params": {"settings": {"seedfill": [1]}}},
        {"method": "$/cancelRequest", "params": {"id": 12345}},
        {"method": "$/cancelRequest", "params": {}},
        {"method": "$/unknown", "params": {}},
        {"method": "unknown/unknown", "params": {}},
        {"id": "never asked", "result": {}},
        {"id": "never asked", "error": {"nothing": 1}},
    ],
)  # fmt: skip
async def test_odd_notifications_and_answers_do_no_harm(client: LspClient, message: dict[str, Any]) -> None:
    client.send({"jsonrpc": "2.0", **message})
    assert await is_up(client)


async def test_requests_come_too_early_and_too_late(tmp_path: Path) -> None:
    async with started(tmp_path) as client:
        with pytest.raises(LspError) as early:
            await client.request(METHOD, CURSOR)
        assert early.value.code == -32002
        await client.initialize()
        await client.request("shutdown")
        with pytest.raises(LspError) as late:
            await client.request(METHOD, CURSOR)
        assert late.value.code == -32600
        client.notify("exit", None)
        assert await client.exit_code() == 0


async def test_bad_options_are_named_and_the_defaults_hold(tmp_path: Path) -> None:
    async with started(tmp_path) as client:
        await client.initialize({"completion": {"debounceMs": "long", "colour": "red"}})
        shown = (await client.notification("window/showMessage"))["message"]
        assert "Invalid setting completion.debounceMs" in shown and "Unknown setting completion.colour" in shown
        assert await is_up(client)


async def test_settings_are_asked_for_and_a_malformed_answer_is_survived(tmp_path: Path) -> None:
    async with started(tmp_path) as client:
        asked: list[Any] = []
        answers: list[Any] = [
            [{"completion": {"debounceMs": -1}}],
            {"error": {"code": 1}},
            3,
            [],
            [{"completion": {"debounceMs": -2}}],
        ]

        def answer(method: str, params: Any) -> Any:
            asked.append((method, params["items"][0]["section"]))
            return answers[len(asked) - 1]

        client.answer = answer
        await client.initialize(capabilities={"workspace": {"configuration": True}})
        assert "debounceMs: -1" in (await client.notification("window/showMessage"))["message"]
        for _ in answers[1:]:
            client.notify("workspace/didChangeConfiguration", {"settings": None})
        await client.notification("window/showMessage", lambda shown: "debounceMs: -2" in shown["message"])
        assert asked == [("workspace/configuration", "seedfill")] * len(answers)


async def test_the_log_goes_to_the_state_folder(tmp_path: Path) -> None:
    async with started(tmp_path) as client:
        await client.initialize()
        client.notify("textDocument/didChange", 3)
        assert await is_up(client)
    log = tmp_path / "seedfill" / "log" / "lsp.log"
    assert "didChange" in log.read_text(encoding="utf-8")


async def test_what_a_client_gets_wrong_is_a_line_in_the_log(tmp_path: Path) -> None:
    wrong: list[dict[str, Any]] = [
        {"id": "a", "method": METHOD, "params": {}},
        {"id": "b", "method": COMMANDS, "params": {"command": "seedfill.nothing"}},
        {"id": "c", "method": COMMANDS, "params": {"command": "seedfill.rewrite", "arguments": [1]}},
        {"id": "d", "method": "several\nlines " * 1000},
        {"method": METHOD, "params": CURSOR},
        {"method": "textDocument/didOpen", "params": {}},
        {"method": "$/cancelRequest", "params": {"id": 12345}},
        {"id": "never asked", "error": {"nothing": 1}},
    ]
    async with started(tmp_path) as client:
        await client.initialize()
        answers = [client.expect(message["id"]) for message in wrong if "method" in message and "id" in message]
        client.send(*({"jsonrpc": "2.0", **message} for message in wrong))
        assert await is_up(client)
        refusals = await asyncio.gather(*answers, return_exceptions=True)
    assert all(isinstance(refusal, LspError) for refusal in refusals)
    lines = (tmp_path / "seedfill" / "log" / "lsp.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(wrong), lines
    assert max(map(len, lines)) < 1000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_a_document_with_lone_surrogates_is_like_any_other(tmp_path: Path, encoding: str) -> None:
    async with started(tmp_path) as client:
        await client.initialize({"completion": {"languages": []}}, encoding=encoding)
        opened = {"uri": URI, "languageId": "python", "version": 1, "text": "a = '\ud800'\nb\udc00 = "}
        client.notify("textDocument/didOpen", {"textDocument": opened})
        edge = {"line": 1, "character": 2}
        changes = [{"range": {"start": edge, "end": edge}, "text": "\ud83d"}]
        client.notify("textDocument/didChange", {"textDocument": {"uri": URI, "version": 2}, "contentChanges": changes})
        for line, character in ((0, 7), (1, 1), (1, 2), (1, 99)):
            place = {**CURSOR, "position": {"line": line, "character": character}}
            assert await client.request(METHOD, place) is None
    log = tmp_path / "seedfill" / "log" / "lsp.log"
    assert "Traceback" not in (log.read_text(encoding="utf-8") if log.exists() else "")


async def test_half_a_message_and_then_the_end(fresh: LspClient, tmp_path: Path) -> None:
    fresh.send_bytes(b"Content-Length: 100\r\n\r\n{")
    assert fresh.process.stdin
    fresh.process.stdin.close()
    assert await fresh.exit_code() == 1
    log = (tmp_path / "seedfill" / "log" / "lsp.log").read_text(encoding="utf-8")
    assert log.count("\n") == 1 and "ended in a message, after 1 of 100 bytes" in log


async def test_a_state_folder_that_cannot_be_made_is_survived(tmp_path: Path) -> None:
    (tmp_path / "seedfill").write_text("in the way")
    async with started(tmp_path) as client:
        await client.initialize()
        assert await is_up(client)


HANGING = """
import sys, threading
from lsp_server import server
from lsp_server.features import lifecycle
from lsp_server.process import transport
transport.LEAVE_S = 0.5
lifecycle.configuration.pull = lambda *_, **__: threading.Event().wait()
sys.exit(server.run())
"""


async def test_a_server_that_hangs_ends_with_its_input(tmp_path: Path) -> None:
    async with LspClient.start([sys.executable, "-c", HANGING], ROOT, _homes(tmp_path)) as client:
        await client.initialize()
        assert client.process.stdin
        client.process.stdin.close()
        assert await client.exit_code() == 1


HANGING_AT_THE_END = HANGING.replace(
    "lifecycle.configuration.pull", "from lsp_server.process.sampler_connection import SamplerConnection as C\nC.close"
)


async def test_a_server_that_hangs_ends_after_exit_though_its_input_stays_open(tmp_path: Path) -> None:
    async with LspClient.start([sys.executable, "-c", HANGING_AT_THE_END], ROOT, _homes(tmp_path)) as client:
        await client.initialize()
        await client.request("shutdown")
        client.notify("exit", None)
        assert await client.exit_code() == 1
