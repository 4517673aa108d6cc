"""A test's own place for services, with the scripted engine behind them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from sampler.protocol.messages import InfillRequest
from sampler.protocol.paths import Place, shared_place
from tests.support import scripted_engine

COMMAND = (sys.executable, str(Path(scripted_engine.__file__)))
PATIENCE_S = 60.0


@dataclass
class Home:
    """XDG folders of one test; whatever service runs there ends with it."""

    folder: Path
    patch: pytest.MonkeyPatch
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def place(self) -> Place:
        return shared_place()

    def script(self, **script: Any) -> None:
        """What services started from now on do."""
        self.patch.setenv(scripted_engine.SCRIPT, json.dumps(script))

    def start(self, *options: str, **streams: Any) -> subprocess.Popen[bytes]:
        """A service in the foreground; returns when it answers or has ended."""
        process = subprocess.Popen([*COMMAND, f"--socket={self.place.socket}", *options], **streams)
        self.started.append(process)
        eventually(lambda: process.poll() is not None or self.get("/health") is not None)
        return process

    def get(self, path: str) -> bytes | None:
        """The body; None where nobody answers."""
        connection = _UnixConnection(self.place.socket)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            with connection.getresponse() as answer:  # closed also where the service dies in the middle of it
                return answer.read()
        return None

    def client(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.place.socket))
        return httpx.Client(transport=transport, base_url="http://sampler", timeout=PATIENCE_S)

    def counters(self) -> dict[str, int]:
        state = self.get("/state")
        return json.loads(state)["counters"] if state else {}

    def processes(self) -> list[psutil.Process]:
        """The services of this home, also those that have not found out yet that they are one too many."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(str(self.folder) in argument for argument in process.info["cmdline"] or ())
        ]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("sampler", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@contextlib.contextmanager
def sampler_home() -> Iterator[Home]:
    """A short folder: a socket lies below it."""
    with tempfile.TemporaryDirectory(prefix="sf-") as folder, pytest.MonkeyPatch.context() as patch:
        home = Home(Path(folder), patch)
        patch.setenv("XDG_RUNTIME_DIR", f"{folder}/run")
        patch.setenv("XDG_STATE_HOME", f"{folder}/state")
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        try:
            yield home
        finally:
            for process in home.processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            for started in home.started:
                started.wait()
            eventually(lambda: not home.processes())


def eventually(condition: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Wait until `condition` holds; it is asked often."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "what should happen did not happen in time"
        pause.wait(0.02)


def request(document: str = "echo", **fields: Any) -> InfillRequest:
    return InfillRequest(document=document, pieces=fields.pop("pieces", ("def f(", "):\n")), **fields)
