"""A language client over a real subprocess's standard streams: raw JSON, so that it can also say what is wrong.

async with LspClient.start(SERVER) as client:
    await client.initialize()
    answer = await client.request("textDocument/inlineCompletion", {...})
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.forked import Forked

TIMEOUT_S = 60.0
LIMIT = 1 << 26


class LspError(Exception):
    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]


class LspClient:
    """One client of one server process. Messages from the server wait in `notifications` and `requests`."""

    def __init__(self, process: Process | Forked) -> None:
        self.process = process
        self.notifications: list[dict[str, Any]] = []
        self.unmatched: list[dict[str, Any]] = []
        """Answers to ids that were never asked for, such as null."""
        self.answer: Callable[[str, Any], Any] = lambda method, params: None
        """Gives the results of the server's own requests."""
        self._waiting: dict[Any, asyncio.Future[Any]] = {}
        self._news = asyncio.Condition()
        self._next_id = 0
        self._pump = asyncio.create_task(self._read())

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls, command: Sequence[str], cwd: Path, env: dict[str, str] | None = None
    ) -> AsyncIterator[LspClient]:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, cwd=cwd, env={**os.environ, **(env or {})}, limit=LIMIT
        )
        async with cls._of(process) as client:
            yield client

    @classmethod
    @contextlib.asynccontextmanager
    async def fork(
        cls, arguments: Sequence[str], cwd: Path, env: dict[str, str] | None = None
    ) -> AsyncIterator[LspClient]:
        """Like `start` of `python -m` and `arguments`, in a fifth of the time."""
        async with cls._of(await Forked.start(arguments, cwd, {**os.environ, **(env or {})}, LIMIT)) as client:
            yield client

    @classmethod
    @contextlib.asynccontextmanager
    async def _of(cls, process: Process | Forked) -> AsyncIterator[LspClient]:
        client = cls(process)
        try:
            yield client
        finally:
            await client._stop()

    async def initialize(self, options: Any = None, encoding: str = "utf-16", **params: Any) -> dict[str, Any]:
        general = {"general": {"positionEncodings": [encoding]}}
        capabilities = {**general, **params.pop("capabilities", {})}
        base = {"processId": os.getpid(), "rootUri": None, "initializationOptions": options}
        result = await self.request("initialize", {**base, "capabilities": capabilities, **params})
        self.notify("initialized", {})
        return dict(result)

    async def request(self, method: str, params: Any = None) -> Any:
        """The result; raises LspError."""
        _, answer = self.send_request(method, params)
        return await asyncio.wait_for(answer, TIMEOUT_S)

    def send_request(self, method: str, params: Any = None) -> tuple[int, asyncio.Future[Any]]:
        self._next_id += 1
        answer = self.expect(self._next_id)
        self.send({"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params})
        return self._next_id, answer

    def expect(self, msg_id: Any) -> asyncio.Future[Any]:
        """The answer to a request with that id, however it is sent."""
        self._waiting[msg_id] = asyncio.get_running_loop().create_future()
        return self._waiting[msg_id]

    def notify(self, method: str, params: Any) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def send(self, *messages: Any) -> None:
        """Write messages in one piece."""
        self.send_bytes(b"".join(map(framed, messages)))

    def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)

    async def notification(self, method: str, holds: Callable[[Any], bool] = lambda params: True) -> Any:
        """The params of the first notification like this, past or to come; it is taken out."""

        def found() -> dict[str, Any] | None:
            of_method = (message for message in self.notifications if message["method"] == method)
            return next((message for message in of_method if holds(message["params"])), None)

        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: found() is not None), TIMEOUT_S)
        message = found()
        assert message
        self.notifications.remove(message)
        return message["params"]

    async def refusal(self) -> dict[str, Any]:
        """The next answer to nobody."""
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: bool(self.unmatched)), TIMEOUT_S)
        return self.unmatched.pop(0)

    async def shut_down(self) -> int:
        """Leave in good order; the server's exit code."""
        await self.request("shutdown")
        self.notify("exit", None)
        return await self.exit_code()

    async def exit_code(self) -> int:
        return await asyncio.wait_for(self.process.wait(), TIMEOUT_S)

    async def _stop(self) -> None:
        if self.process.returncode is None:
            assert self.process.stdin
            self.process.stdin.close()
            try:
                await asyncio.wait_for(self.process.wait(), 10)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        await self._pump

    async def _read(self) -> None:
        assert self.process.stdout
        while header := await self.process.stdout.readline():
            assert header.startswith(b"Content-"), f"standard output carries something else: {header!r}"
            if header.startswith(b"Content-Length: "):
                length = int(header.split(b":")[1])
                while (await self.process.stdout.readline()).strip():
                    continue
                self._take(json.loads(await self.process.stdout.readexactly(length)))
                async with self._news:
                    self._news.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        if "method" in message and "id" in message:
            self.send({"jsonrpc": "2.0", "id": message["id"], **self._reply(message)})
        elif "method" in message:
            self.notifications.append(message)
        elif (answer := self._waiting.pop(message["id"], None)) is None:
            self.unmatched.append(message)
        elif not answer.done():
            if "error" in message:
                answer.set_exception(LspError(message["error"]))
            else:
                answer.set_result(message["result"])

    def _reply(self, message: dict[str, Any]) -> dict[str, Any]:
        reply = self.answer(message["method"], message.get("params"))
        return reply if isinstance(reply, dict) and "error" in reply else {"result": reply}


def framed(message: Any) -> bytes:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
