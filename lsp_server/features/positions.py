"""Positions and ranges, from the protocol's types to ours and back."""

from __future__ import annotations

from typing import Any

from lsprotocol import types as lsp

from lsp_server.workspace.documents import Document, Position


def decoded(position: lsp.Position) -> Position:
    """A position that the client sent."""
    return Position(position.line, position.character)


def encoded(position: Position) -> lsp.Position:
    """A position for the client."""
    return lsp.Position(*position)


def range_of(document: Document, start: int, end: int) -> lsp.Range:
    """Characters of a document as a range, in the client's units."""
    return lsp.Range(encoded(document.position(start)), encoded(document.position(end)))


def plain_range(document: Document, start: int, end: int) -> dict[str, Any]:
    """`range_of` as plain JSON, for a command's arguments."""
    first, last = document.position(start), document.position(end)
    return {"start": first._asdict(), "end": last._asdict()}
