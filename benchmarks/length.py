"""Print what a key costs in documents of 10³ to 10⁷ characters: `python benchmarks/length.py [--most 7] [--n 5]`.

A key is a change of the document and the inline completion behind it, in the middle of the document, through the real
server over its streams; the sampler answers at once, so that what is left is the server's own work. A document is one
long line or many lines, of ASCII or with a letter beyond it; of code, or of words that no grammar reads.
In one of more than 8 million characters nothing is suggested: what remains is to follow the changes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from sampler.protocol.messages import Candidate, InfillRequest, InfillResult

TEXT = "  foo(bar);"


class Shape(NamedTuple):
    """What a document is made of, over and over."""

    name: str
    language: str
    piece: str
    head: str = ""


SHAPES = (
    Shape("one line", "javascript", "foo(bar1, 'x'); "),
    Shape("one line, é", "javascript", "foo(bär1, 'é'); "),
    Shape("one string", "javascript", "lorem ipsum ", "const a = '"),
    Shape("lines", "python", "foo(bar1, 'x')\n"),
    Shape("lines, é", "python", "foo(bär1, 'é')\n"),
    Shape("no lexer", "plaintext", "lorem ipsum (dolor) "),
    Shape("blank lines", "python", "\n"),
)


class Instant:
    """A sampler that answers the same at once."""

    async def infill(self, request: InfillRequest, **_: Any) -> InfillResult:
        """One candidate."""
        best = Candidate(fills=(TEXT,), tokens=4, forwards=1, confidence=0.99, finish="end")
        return InfillResult(
            candidates=(best,), model="none", device="cpu", ms=0.0, load_ms=0.0, tokens_computed=0, cache_miss="none"
        )

    async def forget(self, documents: object) -> None:
        """There is nothing to forget."""

    async def health(self, **_: Any) -> None:
        """Always well."""

    async def close(self) -> None:
        """Nothing is held."""


class Editor:
    """A client of a server of its own, which answers one request after another."""

    def __init__(self, folder: Path) -> None:
        env = {**os.environ, "XDG_STATE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        command = [sys.executable, __file__, "--serve"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self._number = 0
        options = {"completion": {"debounceMs": 0, "speculative": False, "confidenceFloor": 0.0}}
        general = {"positionEncodings": ["utf-16"]}
        self.request(
            "initialize",
            {
                "processId": None,
                "rootUri": None,
                "capabilities": {"general": general},
                "initializationOptions": options,
            },
        )
        self.notify("initialized", {})

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def request(self, method: str, params: Any) -> Any:
        """The result of a request."""
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        while True:
            message = self._read()
            if message.get("id") == self._number and "method" not in message:
                return message["result"]
            if "id" in message:
                self._send({"id": message["id"], "result": None})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        length = 0
        while (line := self._process.stdout.readline().strip().lower()) or not length:
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
            elif not line:
                raise RuntimeError("The language server left: run `seedfill lsp` to see why.")
        found: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return found


def main() -> None:
    """Measure and print, or be the server that is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=7, help="the power of ten of the longest document")
    parser.add_argument("--n", type=int, default=5, help="keys of each kind")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        sys.exit(serve())
    sizes = [10**power for power in range(3, given.most + 1)]
    table = Table(title=f"Milliseconds of a key (change and suggestion), median of {given.n}, by characters")
    for heading in ("", *(f"{size:,}" for size in sizes)):
        table.add_column(heading, justify="right" if heading else "left")
    for shape in SHAPES:
        table.add_row(shape.name, *(f"{key_ms(shape, size, given.n):.1f}" for size in sizes))
    Console(width=120).print(table)


def serve() -> int:
    """The language server around a sampler that costs nothing."""
    from lsp_server import server

    return server.run(log_level="error", connect=lambda settings, report: Instant())


def key_ms(shape: Shape, size: int, n: int) -> float:
    """The median of `n` keys in a document of `size` characters."""
    text = shape.head + shape.piece * (size // len(shape.piece))
    before = text[: len(text) // 2]
    line, character = before.count("\n"), len(before) - before.rfind("\n") - 1
    uri = f"file:///w/{size}"
    with tempfile.TemporaryDirectory() as folder, Editor(Path(folder)) as editor:
        item = {"uri": uri, "languageId": shape.language, "version": 0, "text": text}
        editor.notify("textDocument/didOpen", {"textDocument": item})
        return statistics.median(_key_ms(editor, uri, line, character + i) for i in range(n + 1))


def _key_ms(editor: Editor, uri: str, line: int, character: int) -> float:
    here, behind = ({"line": line, "character": at} for at in (character, character + 1))
    started = time.perf_counter()
    change = {"range": {"start": here, "end": here}, "text": "x"}
    document = {"uri": uri, "version": character + 1}
    editor.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
    params = {"textDocument": {"uri": uri}, "position": behind, "context": {"triggerKind": 1}}
    editor.request("textDocument/inlineCompletion", params)
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
