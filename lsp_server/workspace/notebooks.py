"""Notebooks: the code cells of one are one canvas, in which the cursor's cell stands between those above and below.

A cell is a document of its own, with positions of its own; only what the model and the filters see is joined.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

from lsp_server.workspace.documents import Document, Snapshot
from lsp_server.workspace.ipython import as_code, hidden, language_of

BETWEEN_CELLS = "\n\n"


class Cell(NamedTuple):
    """A cell of a notebook, by the name of its document."""

    uri: str
    is_code: bool


class Canvas(NamedTuple):
    """A snapshot as it is to be read, and at which of its characters the document itself begins."""

    snapshot: Snapshot
    origin: int


class Notebooks:
    """The open notebooks and the order of their cells."""

    def __init__(self) -> None:
        self._cells: dict[str, list[Cell]] = {}
        self._known: WeakKeyDictionary[Document, tuple[str, str | None]] = WeakKeyDictionary()

    def open(self, uri: str, cells: Sequence[Cell]) -> None:
        """Hold a notebook's cells."""
        self._cells[uri] = list(cells)

    def splice(self, uri: str, start: int, delete_count: int, cells: Sequence[Cell]) -> None:
        """Replace `delete_count` cells from number `start` on; of a notebook that is not open, nothing."""
        if uri in self._cells:
            self._cells[uri][start : start + delete_count] = cells

    def close(self, uri: str) -> None:
        """Let go of a notebook."""
        self._cells.pop(uri, None)

    def holder(self, cell: str) -> str | None:
        """The notebook that a document is a cell of."""
        return next((uri for uri, cells in self._cells.items() if any(one.uri == cell for one in cells)), None)

    def as_read(self, snapshot: Snapshot) -> Snapshot:
        """`snapshot` in the language that a cell's magic says it is in."""
        language = language_of(snapshot.text, snapshot.language) if self.holder(snapshot.uri) else None
        return snapshot if language is None else dataclasses.replace(snapshot, language=language)

    def code(self, snapshot: Snapshot) -> str:
        """What a parser may read: of a Python cell without what only a notebook knows, all else where it stood."""
        is_cell = snapshot.language == "python" and self.holder(snapshot.uri) is not None
        return hidden(snapshot.text) if is_cell else snapshot.text

    def canvas(self, snapshot: Snapshot, documents: Mapping[str, Document]) -> Canvas:
        """`snapshot` among the other code cells of its notebook and language; as it is where it is no cell.

        A cell whose first line makes it another language's is alone, and of that language.
        """
        holder = self.holder(snapshot.uri)
        cells = [cell for cell in self._cells.get(holder or "", []) if cell.is_code or cell.uri == snapshot.uri]
        at = next((n for n, cell in enumerate(cells) if cell.uri == snapshot.uri), None)
        if at is None:
            return Canvas(snapshot, 0)
        if language_of(snapshot.text, snapshot.language) is not None:
            return Canvas(self.as_read(snapshot), 0)
        above, below = (self._texts(some, snapshot.language, documents) for some in (cells[:at], cells[at + 1 :]))
        before = "".join(text + BETWEEN_CELLS for text in above)
        after = "".join(BETWEEN_CELLS + text for text in below)
        return Canvas(dataclasses.replace(snapshot, text=before + snapshot.text + after), len(before))

    def _texts(self, cells: Sequence[Cell], language: str, documents: Mapping[str, Document]) -> list[str]:
        """What cells hold of a language."""
        found = [documents[cell.uri] for cell in cells if cell.uri in documents]
        return [text for one in found if one.language == language and (text := self._read(one)) is not None]

    def _read(self, document: Document) -> str | None:
        """A cell's own code as others see it, read once for each text; None where it is another language's."""
        known = self._known.get(document)
        if known is None or known[0] is not document.text:
            known = self._known[document] = document.text, _code_of(document)
        return known[1]


def _code_of(document: Document) -> str | None:
    if language_of(document.text, document.language) is not None:
        return None
    return as_code(document.text) if document.language == "python" else document.text.strip("\n")
