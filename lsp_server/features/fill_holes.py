"""Filling what was left open in a selection or a file, all of it together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lsprotocol import types as lsp

from lsp_server.edits.holes import fill, find_holes
from lsp_server.edits.selection import select
from lsp_server.features.editing import Offer, Plan, Say, Target, asker, request_options, target_of
from lsp_server.features.positions import plain_range
from lsp_server.session import Server
from sampler.protocol.messages import InfillRequest
from sampler.text.rewriting import MAX_PARSED

FILL_HOLES = "seedfill.fillHoles"
"""Arguments: the document's URI and, unless all of it is meant, a range."""
LOOKED_AT = 20_000
"""Characters to each side of a cursor in which holes are looked for unasked."""


async def plan_holes(ls: Server, say: Say, uri: Any = None, span: Any = None) -> Plan:
    """Every hole of the range filled; raises Refusal."""
    target = target_of(ls, uri, span)
    spans = find_holes(target.text, target.snapshot.language, target.start, target.end)
    max_tokens = ls.settings_of(ls.path_of(target.snapshot.uri)).completion.max_tokens
    options = {**request_options(ls, target), "max_tokens": max_tokens, "stream": False}
    request = InfillRequest(pieces=("", ""), **options)
    ask = asker(ls, target, say, (target.start, target.end))
    return Plan(target, "Fill the holes", await fill(ask, target.text, spans, request))


def hole_offers(ls: Server, target: Target) -> Iterator[Offer]:
    """For a range, or a cursor's line, that holds some; of a very long line its part at the cursor."""
    if target.end - target.start > MAX_PARSED:
        return
    line = select(target.text, target.start, target.end)
    start, end = max(line.start, target.start - LOOKED_AT), min(line.end, target.end + LOOKED_AT)
    spans = find_holes(target.text, target.snapshot.language, start, end)
    if spans:
        title = "Fill the hole" if len(spans) == 1 else f"Fill the {len(spans)} holes"
        span = plain_range(target.document, spans[0][0], spans[-1][1])
        yield Offer(title, lsp.CodeActionKind.RefactorRewrite, FILL_HOLES, [target.snapshot.uri, span])
