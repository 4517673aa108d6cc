"""Documents are opened, changed, saved and closed: our own line index follows, instead of the library's."""

from __future__ import annotations

import logging
from functools import partial

from lsprotocol import types as lsp

from lsp_server.completion.gate import gate
from lsp_server.features.next_edit import note_change
from lsp_server.features.positions import decoded
from lsp_server.features.query import query_at
from lsp_server.features.repair import clear_doubts
from lsp_server.lenient import NO_VERSION
from lsp_server.session import Server
from lsp_server.workspace.documents import Change, Document

logger = logging.getLogger(__name__)


def register(server: Server) -> None:
    """Take the place of the library's handlers."""
    for method, handler in (
        (lsp.TEXT_DOCUMENT_DID_OPEN, did_open),
        (lsp.TEXT_DOCUMENT_DID_CHANGE, did_change),
        (lsp.TEXT_DOCUMENT_DID_SAVE, did_save),
        (lsp.TEXT_DOCUMENT_DID_CLOSE, did_close),
    ):
        server.protocol.fm.add_builtin_feature(method, partial(handler, server))


def did_open(server: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    """Hold the document; one opened twice starts afresh. Where suggestions will be wanted, the sampler is started."""
    item = params.text_document
    server.suggestions.forget(item.uri)
    version = _version(item.version, 0)
    document = Document(item.uri, _language(item.language_id), version, item.text, server.encoding)
    server.documents[item.uri] = document
    if gate(query_at(server, document.snapshot(), 0), server.clock.now()) is None:
        server.report_off(None)
        server.sampler.warm_up()


def did_change(server: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    """Apply the changes in order."""
    identifier = params.text_document
    server.suggestions.debounce.key(server.clock.now())
    if document := server.documents.get(identifier.uri):
        before = document.text
        version = _version(identifier.version, document.version + 1)
        for change in map(_change, params.content_changes):
            server.feedback.follow(document, change)
            document.apply([change], version)
        note_change(document, before)
    elif whole := next((change for change in map(_change, params.content_changes) if change.start is None), None):
        version = _version(identifier.version, 0)
        server.documents[identifier.uri] = Document(identifier.uri, "plaintext", version, whole.text, server.encoding)
        logger.warning("%s was changed before it was opened: its text is taken from the change.", identifier.uri)
    else:
        logger.warning("A change of %s, which is not open, was ignored.", identifier.uri)


def did_save(server: Server, params: lsp.DidSaveTextDocumentParams) -> None:
    """What is on disk is what we hold, so there is nothing to follow; clients want the event advertised."""


def did_close(server: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    """Let go of the document and of what was suggested in it."""
    if document := server.documents.pop(params.text_document.uri, None):
        clear_doubts(server, document)
    names = [f"{kind}{server.suggestions.client} {params.text_document.uri}" for kind in ("", "edit ")]
    server.in_background(server.sampler.forget(names))
    server.suggestions.forget(params.text_document.uri)
    server.neighbours.forget(params.text_document.uri)
    server.feedback.forget(params.text_document.uri)


def _version(said: int, otherwise: int) -> int:
    """The version that a client gives a document, `otherwise` where it gives none."""
    return otherwise if said == NO_VERSION else said


def _language(language: lsp.LanguageKind | str) -> str:
    return language.value if isinstance(language, lsp.LanguageKind) else language


def _change(event: lsp.TextDocumentContentChangeEvent) -> Change:
    if isinstance(event, lsp.TextDocumentContentChangeWholeDocument):
        return Change(event.text)
    return Change(event.text, decoded(event.range.start), decoded(event.range.end))
