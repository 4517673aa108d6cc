"""The opt-in fallback for clients without inline completion: one item at the end of the ordinary list."""

from __future__ import annotations

import re

from lsprotocol import types as lsp

from lsp_server.features.positions import decoded, range_of
from lsp_server.features.query import acceptance, answer, query_at
from lsp_server.session import Server
from lsp_server.workspace.documents import Document
from sampler.text.line_ends import own_lines

LAST = "\uffff"
"""Sorts after whatever other servers offer."""

_WORD_END = re.compile(r"\w*\Z")


def register(server: Server) -> None:
    """Advertise completion and answer it."""
    server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions())(complete)


async def complete(ls: Server, params: lsp.CompletionParams) -> lsp.CompletionList | None:
    """The best suggestion as an item that replaces the word before the cursor, so that clients keep it."""
    document = ls.documents.get(params.text_document.uri)
    if document is None:
        return None
    offset = document.offset(decoded(params.position))
    word = _word_before(document, offset)
    span = range_of(document, offset - len(word), offset)
    invoked = params.context is None or params.context.trigger_kind == lsp.CompletionTriggerKind.Invoked
    record = await answer(ls, document, query_at(ls, document.snapshot(), offset, invoked=invoked))
    texts = (own_lines(word + text, document.text) for text in record.outcome.texts[:1])
    items = [_item(text, span, acceptance(ls, record, 0)) for text in texts]
    return lsp.CompletionList(is_incomplete=True, items=items) if items else None


def _item(text: str, span: lsp.Range, command: lsp.Command | None) -> lsp.CompletionItem:
    return lsp.CompletionItem(
        label=text.strip().partition("\n")[0],
        kind=lsp.CompletionItemKind.Text,  # a snippet would be: Helix then reads $ as a field and indents every line
        detail="Seedfill",
        documentation=text,
        sort_text=LAST,
        filter_text=text,
        text_edit=lsp.TextEdit(range=span, new_text=text),
        command=command,
    )


def _word_before(document: Document, offset: int) -> str:
    found = _WORD_END.search(document.text[max(offset - 100, 0) : offset])
    return found[0] if found else ""
