"""HTTP over the service's socket, no more of it than the seam needs: an editor waits while this is imported."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import httpcore
from httpcore import SOCKET_OPTION

from sampler.protocol.peers import check_place, peer_uid

HANGS = httpcore.TimeoutException
"""Raised where nothing was heard for too long."""
LOST = (httpcore.NetworkError, httpcore.ProtocolError, HANGS)
"""Raised where nobody listens, or not to the end."""

CONNECT_TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 16 << 20
"""Of a short answer, and of a line of a long one; what is longer is no sampler's."""
KEPT_S = 5.0
"""How long a connection that nobody uses is kept; the service closes its side then."""


class _OurSockets(httpcore.AnyIOBackend):
    """Connects to a socket of this user's, in a folder of this user's, with a process of this user's behind it."""

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore's own)
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """As httpcore's own; raises ConnectError where the other end is anybody else's."""
        try:
            check_place(Path(path))
            stream = await super().connect_unix_socket(path, timeout, socket_options)
            if peer_uid(stream.get_extra_info("socket")) == os.getuid():
                return stream
            await stream.aclose()
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from None
        raise httpcore.ConnectError(f"{path} is served by another user.")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on its way: its status, and its lines as they come."""

    status: int
    lines: AsyncIterator[bytes]


class Wire:
    """Connections to the service that listens on `socket`, opened when they are needed."""

    def __init__(self, socket: Path) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            uds=str(socket), max_connections=None, keepalive_expiry=KEPT_S, network_backend=_OurSockets()
        )

    async def call(self, method: str, path: str, body: bytes | None = None, *, timeout_s: float) -> bytes:
        """The whole of a short answer; raises one of LOST."""
        limits = {"timeout": dict.fromkeys(("connect", "read", "write"), timeout_s)}
        found = bytearray()
        async with self._pool.stream(method, _url(path), content=body, extensions=limits) as answer:
            async for chunk in answer.aiter_stream():
                found += chunk
                if len(found) > MAX_ANSWER_BYTES:
                    raise httpcore.RemoteProtocolError(f"The answer to {path} has no end.")
        return bytes(found)

    @contextlib.asynccontextmanager
    async def stream(self, path: str, body: bytes, *, silence_s: float) -> AsyncIterator[Answer]:
        """The answer to a POST, line by line; raises one of LOST. To leave early is to cancel."""
        limits = {"timeout": {"connect": CONNECT_TIMEOUT_S, "write": CONNECT_TIMEOUT_S, "read": silence_s}}
        async with self._pool.stream("POST", _url(path), content=body, extensions=limits) as response:
            yield Answer(response.status, _lines(response.aiter_stream()))

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > MAX_ANSWER_BYTES:
            raise httpcore.RemoteProtocolError("A line of the answer has no end.")
    if rest:
        yield rest


def _url(path: str) -> str:
    return f"http://sampler{path}"
