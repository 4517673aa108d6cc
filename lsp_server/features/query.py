"""What both kinds of completion share: a query at a cursor, and no answer that comes too late."""

from __future__ import annotations

from lsprotocol import types as lsp

from lsp_server.completion.record import SUPERSEDED, Outcome, Record, record_of
from lsp_server.context.query import Query
from lsp_server.features.commands import ACCEPTED
from lsp_server.session import Server
from lsp_server.workspace.documents import Document, Snapshot
from lsp_server.workspace.model_facts import model_facts


def query_at(server: Server, snapshot: Snapshot, offset: int, *, invoked: bool = False, several: bool = False) -> Query:
    """The query for a cursor, under the settings of this moment; of a notebook's cell, among the other cells.

    `several`: where it is asked for by hand there may be some to choose from.
    """
    canvas = server.notebooks.canvas(snapshot, server.documents)
    path = server.path_of(snapshot.uri)
    settings = server.settings_of(path)
    return Query(
        snapshot=canvas.snapshot,
        offset=canvas.origin + offset,
        origin=canvas.origin,
        settings=settings,
        path=path,
        folders=server.folders,
        invoked=invoked,
        n_candidates=settings.completion.candidates if invoked and several else 1,
        switches=server.switches,
        facts=model_facts(settings.sampler.model),
    )


async def answer(server: Server, document: Document, query: Query) -> Record:
    """What is suggested; nothing when `document` has moved on meanwhile, or the sampler failed.

    The query's text may hold more than the document does, such as a word that the client is about to insert. A
    failure was told to the person already: an error for each keystroke would only be noise.
    """
    from sampler.protocol.client import SamplerError

    now = document.snapshot()
    try:
        outcome = await server.suggestions.suggest(query)
    except SamplerError as error:
        outcome = Outcome(kind="failed", reason=str(error))
    if server.documents.get(query.snapshot.uri) is not document or not document.is_still(now):
        outcome = SUPERSEDED
    record = record_of(query, outcome)
    server.journal.keep(record)
    if server.settings.statistics.enabled:
        server.feedback.shown(record)
    if not query.invoked and outcome.kind != "superseded":
        server.report_off(outcome.reason if outcome.kind == "silent" and outcome.source is None else None)
    return record


def acceptance(server: Server, record: Record, number: int) -> lsp.Command | None:
    """What a client runs after it has inserted text `number` of an answer; None where nothing is counted."""
    if not server.settings.statistics.enabled or not record.offer:
        return None
    return lsp.Command(title="Accepted", command=ACCEPTED, arguments=[record.offer, number])
