"""HTTP over a Unix socket, against a server whose every byte a test chooses."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from sampler.protocol.wire import HANGS, LOST, Wire

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


@contextlib.asynccontextmanager
async def answering(pieces: Sequence[bytes], *, hangs: bool = False) -> AsyncIterator[Wire]:
    """A wire to a server that answers with these bytes, and then leaves or `hangs`."""
    is_over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if hangs:
            await is_over.wait()
        writer.close()

    with tempfile.TemporaryDirectory(prefix="sf-") as folder:
        async with await asyncio.start_unix_server(answer, Path(folder) / "s"):
            wire = Wire(Path(folder) / "s")
            yield wire
            is_over.set()
            await wire.close()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def lines_of(wire: Wire, silence_s: float = 10.0) -> list[bytes]:
    async with wire.stream("/x", b"{}", silence_s=silence_s) as answer:
        return [line async for line in answer.lines]


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a", b"b\nc", b"\n"], [b"ab", b"c"]),
        (["é\u2028\n".encode()[:1], "é\u2028\n".encode()[1:]], ["é\u2028".encode()]),
        ([b"a\nb"], [b"a", b"b"]),
        ([], []),
    ],
)
async def test_lines_come_whole_however_they_are_sent(chunks: list[bytes], lines: list[bytes]) -> None:
    async with answering([HEAD, *map(chunk, chunks), END]) as wire:
        assert await lines_of(wire) == lines


async def test_a_server_that_leaves_or_hangs_is_told_apart() -> None:
    async with answering([HEAD, chunk(b"a\n")]) as wire:
        with pytest.raises(LOST) as error:
            await lines_of(wire)
        assert not isinstance(error.value, HANGS)
    async with answering([HEAD, chunk(b"a\n")], hangs=True) as wire:
        with pytest.raises(HANGS):
            await lines_of(wire, silence_s=0.1)


async def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(LOST):
        await Wire(tmp_path / "nobody").call("GET", "/health", timeout_s=5)
