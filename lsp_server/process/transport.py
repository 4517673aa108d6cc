"""Messages over byte streams: framing, and standard input and output that carry nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import threading
from collections.abc import AsyncIterator, Callable
from typing import Protocol

logger = logging.getLogger(__name__)

MAX_BODY = 1 << 28
"""Bytes; a longer message is taken for a mangled header."""

LEAVE_S = 30.0
"""Seconds after the end of the input by which the process is gone, in good order or not."""

_CONTENT_LENGTH = re.compile(rb"content-length:[ \t]*(\d{1,18})[ \t]*\r?\n?$", re.IGNORECASE)


async def message_bodies(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The bodies of all messages until the stream ends; whatever is no header or body is skipped.

    Between two messages the event loop gets its turn, so that a request's handler has begun, and taken its
    snapshot, before the next message changes the document.
    """
    try:
        while (length := await _header(reader)) is not None:
            yield await reader.readexactly(length)
            await asyncio.sleep(0)
    except asyncio.IncompleteReadError as error:
        logger.warning("The input ended in a message, after %d of %s bytes.", len(error.partial), error.expected)


async def _header(reader: asyncio.StreamReader) -> int | None:
    """The length of the next body, None at the end of the stream."""
    length: int | None = None
    while line := await _line(reader):
        if found := _CONTENT_LENGTH.search(line):
            length = int(found[1])
        elif not line.strip() and length is not None:
            if 0 < length <= MAX_BODY:
                return length
            logger.warning("A message of %d bytes was announced; skipped.", length)
            length = None
    return None


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The next line; where there is none within the reader's limit, that stretch is garbage and dropped."""
    is_told = False
    while True:
        try:
            return await reader.readline()
        except ValueError:
            if not is_told:
                logger.warning("A long stretch of input without a header is skipped.")
            is_told = True


def read_in_background(descriptor: int) -> asyncio.StreamReader:
    """A stream of what can be read from `descriptor`, by a thread that never keeps the process alive."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()

    def pump() -> None:
        # The loop may be closed by the time a read returns: then nobody is left to tell.
        with contextlib.suppress(RuntimeError):
            try:
                while chunk := os.read(descriptor, 1 << 16):
                    loop.call_soon_threadsafe(reader.feed_data, chunk)
            except OSError as error:
                logger.warning("Standard input cannot be read any more: %s", error)
            finally:
                leave_in_time()
                loop.call_soon_threadsafe(reader.feed_eof)

    threading.Thread(target=pump, name="stdin", daemon=True).start()
    return reader


def leave_in_time() -> None:
    """See that the process ends soon, also where the event loop hangs in something that never returns."""
    timer = threading.Timer(LEAVE_S, os._exit, [1])
    timer.daemon = True
    timer.start()


class Writer(Protocol):
    """Where messages go."""

    def write(self, data: bytes) -> None:
        """Take one message, header and body."""
        ...

    def close(self) -> None:
        """Take no more."""
        ...


class DescriptorWriter:
    """Writes to a file descriptor whole messages at a time; when nobody reads any more it calls `on_lost` once."""

    def __init__(self, descriptor: int, on_lost: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_lost = on_lost
        self._is_lost = False

    def write(self, data: bytes) -> None:
        """Write all of `data`."""
        rest = memoryview(data)
        try:
            while rest and not self._is_lost:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            logger.warning("Nobody reads the answers any more: %s", error)
            self._is_lost = True
            self._on_lost()

    def close(self) -> None:
        """Nothing is buffered, so there is nothing to do."""


def claim_stdio() -> tuple[int, int]:
    """Descriptors of the client's input and output, which from now on nothing else can reach.

    What anything prints goes to standard error, and a child process inherits neither: a stray byte would
    corrupt the protocol, and a child that holds the output would hang the client.
    """
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink
