"""What both kinds of completion share: a query at a cursor, and no answer that comes too late."""

from __future__ import annotations

from lsp_server.documents import Document, Snapshot
from lsp_server.protocol import Server, file_path
from lsp_server.suggestions import Query, Texts


def query_at(server: Server, snapshot: Snapshot, offset: int, *, invoked: bool = False) -> Query:
    """The query for a cursor, under the settings of this moment."""
    return Query(
        snapshot=snapshot,
        offset=offset,
        settings=server.settings,
        path=file_path(snapshot.uri),
        folders=server.folders,
        invoked=invoked,
    )


async def texts_at(server: Server, document: Document, snapshot: Snapshot, offset: int, *, invoked: bool) -> Texts:
    """Texts for `offset` of `snapshot`; none when `document` has moved on meanwhile, or the sampler failed.

    `snapshot` may hold more than the document does, such as a word that the client is about to insert. A
    failure was told to the person already: an error for each keystroke would only be noise.
    """
    from sampler.client import SamplerError

    now = document.snapshot()
    try:
        texts = await server.suggestions.suggest(query_at(server, snapshot, offset, invoked=invoked))
    except SamplerError:
        return ()
    is_open = server.documents.get(snapshot.uri) is document
    return texts if is_open and document.is_still(now) else ()
