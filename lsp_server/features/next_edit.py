"""Next edit: what a person changed by hand, offered at the other places where it follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

from lsprotocol import types as lsp

from lsp_server.edits.next_edits import MAX_PLACES, Burst, Pattern, begun, follow_ups, pattern_of
from lsp_server.features.editing import Offer, Plan, Say, Target, target_of
from lsp_server.session import Server
from lsp_server.workspace.documents import Document
from sampler.text.rewriting import Refusal

NEXT_EDIT = "seedfill.nextEdit"
"""Arguments: the document's URI; whether all places are meant instead of the next one."""
KIND = lsp.CodeActionKind.RefactorRewrite

_bursts: WeakKeyDictionary[Document, Burst] = WeakKeyDictionary()
"""What is being changed in each open document."""


def note_change(document: Document, before: str) -> None:
    """Note that the document's text was `before` until now."""
    burst = _bursts.get(document)
    if before != document.text:
        _bursts[document] = burst.follow(before, document.text) if burst else begun(before, document.text)


async def plan_next(ls: Server, say: Say, uri: Any = None, everywhere: Any = False) -> Plan:
    """The same change at the next place, or at all of them; raises Refusal where there is none."""
    target = target_of(ls, uri)
    pattern = _pattern(target)
    changes = follow_ups(pattern, target.text, target.snapshot.language) if pattern else ()
    if not pattern or not changes:
        raise Refusal("No other place follows from the last change.")
    chosen = sorted(changes) if everywhere is True else changes[:1]
    return Plan(target, f"{pattern.old} → {pattern.new}", chosen)


def next_offers(target: Target) -> Iterator[Offer]:
    """The next place, and all of them where there are several."""
    pattern = _pattern(target)
    changes = follow_ups(pattern, target.text, target.snapshot.language) if pattern else ()
    if not pattern or not changes:
        return
    line = target.document.position(changes[0].start).line + 1
    said, uri = f"{pattern.old} → {pattern.new}", target.snapshot.uri
    yield Offer(f"The same in line {line}: {said}", KIND, NEXT_EDIT, [uri, False], by_model=False)
    if len(changes) > 1:
        which = "all" if len(changes) < MAX_PLACES else "the next"
        yield Offer(
            f"The same at {which} {len(changes):,} places: {said}", KIND, NEXT_EDIT, [uri, True], by_model=False
        )


def _pattern(target: Target) -> Pattern | None:
    burst = _bursts.get(target.document)
    return pattern_of(burst, target.text) if burst else None
