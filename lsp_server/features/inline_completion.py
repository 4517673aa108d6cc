"""Ghost text: `textDocument/inlineCompletion`."""

from __future__ import annotations

import dataclasses

from lsprotocol import types as lsp

from lsp_server.features.positions import decoded, encoded
from lsp_server.features.query import acceptance, answer, query_at
from lsp_server.session import Server
from lsp_server.workspace.documents import Document, Snapshot


def register(server: Server) -> None:
    """Advertise inline completion and answer it."""
    options = lsp.InlineCompletionOptions()
    server.feature(lsp.TEXT_DOCUMENT_INLINE_COMPLETION, options)(inline_completion)


async def inline_completion(ls: Server, params: lsp.InlineCompletionParams) -> lsp.InlineCompletionList | None:
    """Items for the cursor, or null; everything that depends on the document is read before the first await."""
    document = ls.documents.get(params.text_document.uri)
    if document is None:
        return None
    target = _target(document, params)
    if target is None:
        return None
    snapshot, offset, span, already = target
    invoked = params.context.trigger_kind == lsp.InlineCompletionTriggerKind.Invoked
    query = query_at(ls, snapshot, offset, invoked=invoked, several=True)
    record = await answer(ls, document, query)
    items = [
        lsp.InlineCompletionItem(insert_text=already + text, range=span, command=acceptance(ls, record, number))
        for number, text in enumerate(record.outcome.texts)
    ]
    return lsp.InlineCompletionList(items=items) if items else None


def _target(document: Document, params: lsp.InlineCompletionParams) -> tuple[Snapshot, int, lsp.Range, str] | None:
    """The text to complete, the offset in it, the range that items replace and what they begin with.

    Where the client's own list has an item selected, that item counts as inserted; None where its range does
    not hold the cursor.
    """
    snapshot, offset = document.snapshot(), document.offset(decoded(params.position))
    selected = params.context.selected_completion_info
    if selected is None:
        place = encoded(document.position(offset))
        return snapshot, offset, lsp.Range(place, place), ""
    start, end = (document.offset(decoded(edge)) for edge in (selected.range.start, selected.range.end))
    if not start <= offset <= end:
        return None
    text = snapshot.text[:start] + selected.text + snapshot.text[end:]
    accepted = dataclasses.replace(snapshot, text=text)
    return accepted, start + len(selected.text), selected.range, selected.text
