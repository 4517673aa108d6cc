"""Quick fixes: for what other servers complain of, for what does not parse, and for what the model itself doubts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from weakref import WeakSet

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams

from lsp_server.edits.holes import MARKER
from lsp_server.edits.repairs import doubts, first_error_lines, repair
from lsp_server.edits.selection import Replacement, select
from lsp_server.features.editing import (
    MOVED_ON,
    Offer,
    Plan,
    Say,
    Target,
    asker,
    request_options,
    target_of,
    with_progress,
)
from lsp_server.features.positions import decoded, plain_range, range_of
from lsp_server.session import Server
from lsp_server.workspace.documents import Document
from sampler.text.rewriting import Refusal

REPAIR = "seedfill.repair"
"""Arguments: the document's URI, a range (else the first lines that do not parse), what is wrong in words."""
MARK_DOUBTS = "seedfill.markDoubts"
"""Arguments: the document's URI and, unless all of it is meant, a range. Answers how many were marked."""
REPLACE_DOUBT = "seedfill.replaceDoubt"
"""Arguments: the document's URI, the range of a doubt, what stands there, what the model would write."""
SOURCE = "seedfill"
MAX_FIXES = 3
"""Quick fixes offered at once."""
SHOWN_CHARACTERS = 60

KIND = lsp.CodeActionKind.QuickFix

_marked: WeakSet[Document] = WeakSet()
"""Documents with hints."""


async def plan_repair(ls: Server, say: Say, uri: Any = None, span: Any = None, message: Any = "") -> Plan:
    """The lines written anew; raises Refusal."""
    if not isinstance(message, str):
        raise JsonRpcInvalidParams(f"The third argument must say what is wrong, not {message!r}.")
    target = target_of(ls, uri, span)
    lines = (target.start, target.end) if span is not None else _error_lines(ls, target)
    if lines is None:
        raise Refusal("Everything here parses: select what is to be repaired.")
    selection = select(target.text, *lines)
    ask = asker(ls, target, say, (selection.start, selection.end))
    return Plan(target, "Repair", await repair(ask, selection, message, **request_options(ls, target)))


async def plan_replacement(
    ls: Server, say: Say, uri: Any = None, span: Any = None, old: Any = None, new: Any = None
) -> Plan:
    """What the model would write in the place of what it doubts; raises Refusal where something else stands there."""
    target = target_of(ls, uri, span)
    if target.text[target.start : target.end] != old or not isinstance(new, str):
        raise Refusal(MOVED_ON)
    return Plan(target, "Replace", [Replacement(target.start, target.end, new)])


async def mark_doubts(ls: Server, *arguments: Any) -> int:
    """Show as hints what the model would write otherwise; earlier hints of the document go."""
    if len(arguments) not in (1, 2):
        raise JsonRpcInvalidParams(f"{MARK_DOUBTS} takes a URI and perhaps a range.")
    try:
        target = target_of(ls, *arguments)

        async def work(say: Say) -> list[lsp.Diagnostic]:
            ask = asker(ls, target, say, (target.start, target.end))
            options = {**request_options(ls, target), "stream": False}
            found = await doubts(ask, target.text, target.start, target.end, **options)
            return [_hint(target, *doubt) for doubt in found]

        hints = await with_progress(ls, "Reading", work)
        if not target.document.is_still(target.snapshot):
            raise Refusal(MOVED_ON)
    except Refusal as refusal:
        ls.tell(str(refusal))
        return 0
    _marked.add(target.document)
    params = lsp.PublishDiagnosticsParams(target.snapshot.uri, hints, target.snapshot.version)
    ls.text_document_publish_diagnostics(params)
    return len(hints)


def clear_doubts(ls: Server, document: Document) -> None:
    """Take the hints of a document back, where it has some."""
    if document in _marked:
        _marked.discard(document)
        ls.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(document.uri, []))


def repair_offers(ls: Server, target: Target, diagnostics: Iterable[lsp.Diagnostic]) -> Iterator[Offer]:
    """For each complaint, the lines it is about; without any, the lines at the cursor that do not parse."""
    uri, document = target.snapshot.uri, target.document
    complaints = list(diagnostics)[:MAX_FIXES]
    for complaint in complaints:
        start, end = (document.offset(decoded(edge)) for edge in (complaint.range.start, complaint.range.end))
        span = plain_range(document, *sorted((start, end)))
        if complaint.source == SOURCE:
            yield from _doubt_offer(uri, span, complaint)
        else:
            yield Offer(
                f"Repair: {_short(complaint.message)}", KIND, REPAIR, [uri, span, complaint.message], [complaint]
            )
    if not complaints:
        lines = _error_lines(ls, target)
        if lines is not None and MARKER not in target.text[slice(*lines)]:
            yield Offer("Repair what does not parse", KIND, REPAIR, [uri, plain_range(document, *lines), ""])


def _error_lines(ls: Server, target: Target) -> tuple[int, int] | None:
    code = ls.notebooks.code(target.snapshot)
    return first_error_lines(code, target.snapshot.language, target.start, target.end)


def _doubt_offer(uri: str, span: dict[str, Any], hint: lsp.Diagnostic) -> Iterator[Offer]:
    data = hint.data
    if isinstance(data, dict) and isinstance(data.get("new"), str):
        title = f"Write {_short(data['new'])}" if data["new"].strip() else "Leave it out"
        yield Offer(title, KIND, REPLACE_DOUBT, [uri, span, data.get("old"), data["new"]], [hint])


def _hint(target: Target, start: int, end: int, text: str) -> lsp.Diagnostic:
    says = f"The model would write {_short(text)} here." if text.strip() else "The model would leave this out."
    return lsp.Diagnostic(
        range=range_of(target.document, start, end),
        message=says,
        severity=lsp.DiagnosticSeverity.Hint,
        source=SOURCE,
        data={"old": target.text[start:end], "new": text},
    )


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= SHOWN_CHARACTERS else f"{words[:SHOWN_CHARACTERS]}…"
