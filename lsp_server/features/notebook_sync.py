"""Notebooks are opened, changed and closed: their cells are documents like others, in an order of their own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lsprotocol import types as lsp

from lsp_server.features import document_sync
from lsp_server.session import Server
from lsp_server.workspace.notebooks import Cell


def register(server: Server) -> None:
    """Take the place of the library's handlers."""
    for method, handler in (
        (lsp.NOTEBOOK_DOCUMENT_DID_OPEN, did_open),
        (lsp.NOTEBOOK_DOCUMENT_DID_CHANGE, did_change),
        (lsp.NOTEBOOK_DOCUMENT_DID_SAVE, did_save),
        (lsp.NOTEBOOK_DOCUMENT_DID_CLOSE, did_close),
    ):
        server.protocol.fm.add_builtin_feature(method, partial(handler, server))


def did_open(server: Server, params: lsp.DidOpenNotebookDocumentParams) -> None:
    """Hold the order of the cells, and each cell's text."""
    notebook = params.notebook_document
    server.notebooks.open(notebook.uri, _cells(notebook.cells))
    _open_cells(server, params.cell_text_documents)


def did_change(server: Server, params: lsp.DidChangeNotebookDocumentParams) -> None:
    """Follow the order of the cells first, then their texts."""
    cells = params.change.cells
    if cells is None:
        return
    if structure := cells.structure:
        array = structure.array
        server.notebooks.splice(
            params.notebook_document.uri, array.start, array.delete_count, _cells(array.cells or ())
        )
        _open_cells(server, structure.did_open or ())
        _close_cells(server, structure.did_close or ())
    for content in cells.text_content or ():
        document_sync.did_change(server, lsp.DidChangeTextDocumentParams(content.document, content.changes))


def did_save(server: Server, params: lsp.DidSaveNotebookDocumentParams) -> None:
    """What is on disk is what we hold."""


def did_close(server: Server, params: lsp.DidCloseNotebookDocumentParams) -> None:
    """Let go of the cells, then of their order."""
    _close_cells(server, params.cell_text_documents)
    server.notebooks.close(params.notebook_document.uri)


def _cells(cells: Sequence[lsp.NotebookCell]) -> list[Cell]:
    return [Cell(cell.document, cell.kind == lsp.NotebookCellKind.Code) for cell in cells]


def _open_cells(server: Server, items: Sequence[lsp.TextDocumentItem]) -> None:
    for item in items:
        document_sync.did_open(server, lsp.DidOpenTextDocumentParams(item))


def _close_cells(server: Server, items: Sequence[lsp.TextDocumentIdentifier]) -> None:
    for item in items:
        document_sync.did_close(server, lsp.DidCloseTextDocumentParams(item))
