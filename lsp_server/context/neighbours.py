"""The other files that a suggestion may look at, and what is taken from them, which stays while one types.

Looked at are open documents, the ones edited last first, then files that the document imports: of the same workspace
folder and language, and never one that privacy forbids. A new choice would cost the sampler its cache, so the last
one is kept until a pause, or until the cursor has gone elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePath
from typing import Protocol

from lsp_server.context.imported import imported_files
from lsp_server.context.query import Query
from lsp_server.context.snippets import MAX_CHARACTERS, Neighbour, pick
from lsp_server.workspace.documents import Snapshot
from lsp_server.workspace.folders import workspace_folder
from lsp_server.workspace.privacy import refusal
from sampler.protocol.messages import Snippet
from sampler.protocol.regular_files import read_regular, real

BURST_S = 5.0
"""Requests that follow each other within it belong to one burst of typing."""

BURST_CHARACTERS = 1000
"""A cursor that is further away than this from where the choice was made gets a new one."""

NOTEBOOK = ".ipynb"
"""On disk its cells stand in JSON; open, they are documents."""

MAX_NEIGHBOURS = 12
MAX_RECENT = 32


class Open(Protocol):
    """An open document."""

    def snapshot(self) -> Snapshot:
        """What it is now."""
        ...


@dataclass(slots=True)
class Burst:
    """What was chosen for a document, where, and when it was last used."""

    snippets: tuple[Snippet, ...]
    offset: int
    used: float


class Neighbours:
    """Snippets of other files for the cursors of one client."""

    def __init__(self, documents: Mapping[str, Open], path_of: Callable[[str], PurePath]) -> None:
        self._documents = documents
        self._path_of = path_of
        self._recent: list[str] = []
        """Documents that suggestions were asked for, the last one first."""
        self._bursts: dict[str, Burst] = {}

    def snippets(self, query: Query, now: float) -> tuple[Snippet, ...]:
        """What is shown of other files at the cursor of `query`; the same during a burst of typing."""
        uri = query.snapshot.uri
        self._note_use(uri)
        burst = self._bursts.get(uri)
        if burst is None or now - burst.used > BURST_S or abs(query.offset - burst.offset) > BURST_CHARACTERS:
            burst = self._bursts[uri] = Burst(self._pick(query), query.offset, now)
        burst.used = now
        return burst.snippets

    def forget(self, uri: str) -> None:
        """The document was closed; its file may still be a neighbour."""
        self._bursts.pop(uri, None)

    def _note_use(self, uri: str) -> None:
        self._recent = [uri, *(other for other in self._recent if other != uri)][:MAX_RECENT]

    def _pick(self, query: Query) -> tuple[Snippet, ...]:
        text, offset = query.snapshot.text, query.offset
        return pick(text[:offset], text[offset:], islice(self._files(query), MAX_NEIGHBOURS))

    def _files(self, query: Query) -> Iterator[Neighbour]:
        folder = workspace_folder(query.path, query.folders)
        seen = {query.path}
        for file in self._candidates(query, folder):
            if file.path not in seen and _is_within(file.path, folder, query.folders):
                seen.add(file.path)
                if refusal(file.path, file.text, query.folders) is None:
                    yield file

    def _candidates(self, query: Query, folder: PurePath | None) -> Iterator[Neighbour]:
        """Recently edited documents, open or not, then the other open ones, then imported files."""
        for uri in dict.fromkeys([*self._recent, *self._documents]):
            path = self._path_of(uri)
            if path.suffix == query.path.suffix and (text := self._text(uri, path)) is not None:
                yield Neighbour(path, text)
        folders = [Path(folder)] if folder else []
        for path in imported_files(Path(query.path), query.snapshot.text, query.snapshot.language, folders):
            if (text := read(path)) is not None:
                yield Neighbour(path, text)

    def _text(self, uri: str, path: PurePath) -> str | None:
        document = self._documents.get(uri)
        return read(Path(path)) if document is None else document.snapshot().text


def _is_within(path: PurePath, folder: PurePath | None, folders: Iterable[PurePath]) -> bool:
    """Whether a file belongs to a workspace folder by its name and, links followed, by where it lies."""
    if workspace_folder(path, folders) != folder:
        return False
    return folder is None or real(Path(path)).is_relative_to(real(Path(folder)))


def read(path: Path) -> str | None:
    """The text of a file; None where there is none, it is no code, or it is too long to be looked at."""
    if path.suffix == NOTEBOOK:
        return None
    path = real(path)
    try:
        status = path.stat()
    except (OSError, ValueError):  # no such file, or a name that no file can have
        return None
    return _read(path, status.st_mtime_ns) if status.st_size <= MAX_CHARACTERS else None


@lru_cache(maxsize=64)
def _read(path: Path, mtime_ns: int) -> str | None:
    try:
        data = read_regular(path, MAX_CHARACTERS)
        return None if data is None else data.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
