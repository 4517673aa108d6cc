"""Where messages begin and end in a stream, whatever else is in it."""

from __future__ import annotations

import asyncio

import pytest

from lsp_server.process.transport import message_bodies
from tests.support.lsp_client import framed

ONE, TWO = b'{"n": 1}', b'{"n": 2}'
NEXT = framed(TWO)


@pytest.mark.parametrize(
    ("stream", "bodies", "warnings"),
    [
        (framed(ONE) + NEXT, [ONE, TWO], 0),
        (b"Content-Length: 5\r\n\r\n" + ONE + NEXT, [ONE[:5], TWO], 0),
        (b"Content-Length: 12\r\n\r\n" + ONE + NEXT + NEXT, [ONE + NEXT[:4], TWO], 0),
        (b"X-Long: " + b"x" * 1_000_000 + b"\r\n" + NEXT, [TWO], 1),
        (b"Content-Length: 8\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n\r\n" + ONE + NEXT, [ONE, TWO], 1),
        (b"y" * 1_000_000 + b"\n" + b"\xff\xfe\x00" * 400_000 + b"\n" + NEXT, [TWO], 1),
        (b"Content-Length: 99999999999\r\n\r\n" + NEXT, [TWO], 1),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + NEXT, [TWO], 0),
        (b"Content-Length: 2\r\nContent-Length: 8\r\n\r\n" + ONE, [ONE], 0),
        (framed(ONE) + NEXT[:-1], [ONE], 1),
        (framed(ONE) + b"Content-Length: 8", [ONE], 0),
        (b"", [], 0),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_messages_are_found(
    stream: bytes, bodies: list[bytes], warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(stream)
    reader.feed_eof()
    async with asyncio.timeout(30):
        assert [body async for body in message_bodies(reader)] == bodies
    assert len(caplog.records) == warnings
