"""Programs that start at once: forked from a process that has imported what a language server imports.

That is nearly all of a start. How a program starts and how it ends is tested by starting it from nothing.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import runpy
import sys
from collections.abc import Sequence
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(["lsp_server.server"])


class Forked:
    """A `python -m module` on pipes; of asyncio's Process what an LspClient needs."""

    def __init__(self, process: Any, stdin: asyncio.WriteTransport, stdout: asyncio.StreamReader) -> None:
        self.stdin, self.stdout = stdin, stdout
        self.pid: int = process.pid
        self._process = process
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(process.sentinel, self._end)

    @classmethod
    async def start(cls, arguments: Sequence[str], cwd: Path, env: dict[str, str], limit: int) -> Forked:
        """`arguments` are the module's name and what is given to it."""
        loop, stdout = asyncio.get_running_loop(), asyncio.StreamReader(limit)
        (theirs_in, ours_in), (ours_out, theirs_out) = os.pipe(), os.pipe()
        stdin, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(ours_in, "wb", 0))
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdout), os.fdopen(ours_out, "rb", 0))
        streams = (theirs_in, theirs_out)
        process = _FORKSERVER.Process(target=_run, args=(arguments, cwd, env, *map(_Stream, streams)))
        process.start()
        for stream in streams:
            os.close(stream)
        return cls(process, stdin, stdout)

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    async def wait(self) -> int:
        await self._ended.wait()
        self._process.join()
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def _end(self) -> None:
        self._loop.remove_reader(self._process.sentinel)
        self._ended.set()


class _Stream:
    """A file descriptor that another process can have; it is duplicated when the process is started, not before."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (DupFd(self._descriptor),)


def _received(descriptor: Any) -> int:
    return int(descriptor.detach())


def _run(arguments: Sequence[str], cwd: Path, env: dict[str, str], stdin: int, stdout: int) -> None:
    for descriptor, standard in ((stdin, 0), (stdout, 1)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = list(arguments)
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
