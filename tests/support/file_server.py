"""A server that a test starts: the hub's addresses of one file, and a package index with a few wheels."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

REVISION = "a" * 40


@dataclass(slots=True)
class FileServer:
    """What it serves, how it fails, and what it was asked for."""

    file: bytes
    wheels: Path | None = None
    status: int = 200
    cut: list[int] = field(default_factory=list)
    """After how many bytes the next answers break off."""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """Method, path, and where in the file each answer began."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def body(self, path: str) -> bytes | None:
        """What lies at a path; None where nothing does."""
        if path == f"/a/b/resolve/{REVISION}/tiny.gguf":
            return self.file
        if self.wheels is None or not path.startswith("/simple/"):
            return None
        name = path.removeprefix("/simple/").rstrip("/")
        if not path.endswith("/"):
            wheel = self.wheels / Path(name).name
            return wheel.read_bytes() if wheel.is_file() else None
        found = sorted(self.wheels.glob(f"{name.replace('-', '_')}-*.whl"))
        links = "".join(f'<a href="/simple/{wheel.name}">{wheel.name}</a>' for wheel in found)
        return f"<html><body>{links}</body></html>".encode() if found else None


@contextmanager
def serving(file: bytes, **how: Any) -> Iterator[FileServer]:
    """Serve until the block ends."""
    said = FileServer(file, **how)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"said": said}))
    said.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield said
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    said: FileServer

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        wanted = self.headers.get("Range", "bytes=0-") if with_body else "bytes=0-"
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        self.said.asked.append(f"{self.command} {self.path} {start}")
        body = self.said.body(self.path)
        if body is None or self.said.status != 200:
            self.send_error(404 if body is None else self.said.status)
            return
        self._head(start, len(body))
        if with_body:
            n_bytes = self.said.cut.pop(0) if self.said.cut else len(body)
            self.wfile.write(body[start:][:n_bytes])
            self.close_connection = True

    def _head(self, start: int, length: int) -> None:
        self.send_response(206 if start else 200)
        headers = {"Content-Length": str(length - start), "ETag": '"an-etag"', "X-Repo-Commit": REVISION}
        if start:
            headers["Content-Range"] = f"bytes {start}-{length - 1}/{length}"
        if self.path.endswith("/"):
            headers["Content-Type"] = "text/html"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass
