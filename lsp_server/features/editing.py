"""What all edits share: a target in a document, a sampler asked under the client's progress bar, one applied step.

A `Plan` is an edit that is made but not applied: what a command applies and a code action is resolved to. Whatever
stands in the way is a `Refusal`, one sentence that the person is shown.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams

from lsp_server.edits.next_edits import changed
from lsp_server.edits.selection import Replacement, applied
from lsp_server.features.positions import plain_range, range_of
from lsp_server.session import Server
from lsp_server.workspace.documents import Document, Position, Snapshot, without_halves
from lsp_server.workspace.folders import path_in_workspace
from lsp_server.workspace.privacy import refusal
from sampler.protocol.messages import Event, InfillRequest, InfillResult, Progress
from sampler.text.rewriting import Refusal

Answer = TypeVar("Answer")
Say: TypeAlias = Callable[[str], None]

APPLY_TIMEOUT_S = 10.0
"""An editor that has not said by then whether it applied an edit is not waited for."""
CREATE_TIMEOUT_S = 1.0
CHANGE_TIMEOUT_S = 2.0
"""By then an edit that was applied has come back as a change of the document."""
POLL_S = 0.02
DEADLINE_MS = 60_000.0
"""Of one request: what is unfinished then is refused."""
PREVIEW = "seedfill/preview"
"""Sent to clients whose experimental capabilities have "seedfillPreview": what lines become while they are written."""

MOVED_ON = "The document changed meanwhile, so nothing was done: ask again."


@dataclass(frozen=True, slots=True)
class Target:
    """Characters `start` to `end` of an open document, as it was when they were named."""

    document: Document
    snapshot: Snapshot
    start: int
    end: int

    @property
    def text(self) -> str:
        """Of the whole document."""
        return self.snapshot.text


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes of a document as it was, in order and apart from each other."""

    target: Target
    title: str
    changes: Sequence[Replacement]


@dataclass(frozen=True, slots=True)
class Offer:
    """An edit that a code action stands for: the command that makes it, and its arguments."""

    title: str
    kind: lsp.CodeActionKind
    command: str
    arguments: list[Any]
    diagnostics: Sequence[lsp.Diagnostic] = ()
    """Which it answers to."""
    by_model: bool = True


def target_of(ls: Server, uri: Any, span: Any = None) -> Target:
    """The document and the stretch that a command's arguments name; without a range the whole document.

    Raises JsonRpcInvalidParams for what is none, Refusal where the document must be left alone.
    """
    if not isinstance(uri, str):
        raise JsonRpcInvalidParams(f"The first argument must be a document's URI, not {uri!r}.")
    document = ls.documents.get(uri)
    if document is None:
        raise Refusal("The document is not open, so it cannot be edited.")
    snapshot = ls.notebooks.as_read(document.snapshot())
    if reason := refusal(ls.path_of(uri), snapshot.text, ls.folders, by_hand=True):
        raise Refusal(reason)
    if without_halves(snapshot.text) != snapshot.text:
        raise Refusal("The document holds half of a character, which an edit would lose: finish typing it first.")
    if span is None:
        return Target(document, snapshot, 0, len(snapshot.text))
    start, end = sorted(document.offset(_position(span, edge)) for edge in ("start", "end"))
    return Target(document, snapshot, start, end)


def request_options(ls: Server, target: Target) -> dict[str, Any]:
    """The fields of an `InfillRequest` that every edit of a document shares."""
    snapshot = target.snapshot
    return {
        "document": f"edit {ls.suggestions.client} {snapshot.uri}",
        "language": snapshot.language,
        "path": path_in_workspace(ls.path_of(snapshot.uri), ls.folders),
        "model": ls.settings.sampler.model,
        "deadline_ms": DEADLINE_MS,
        "stream": _shows_preview(ls) or _shows_progress(ls),
    }


def asker(
    ls: Server, target: Target, say: Say, span: tuple[int, int]
) -> Callable[[InfillRequest], Awaitable[InfillResult]]:
    """What asks the sampler, passing on what characters `span` become meanwhile; raises Refusal where it fails."""
    from sampler.protocol.client import SamplerError

    def on_event(event: Event) -> None:
        if isinstance(event, Progress):
            text = event.fills[0]
            say(text.rstrip().rpartition("\n")[2].strip())
            _preview(ls, target, span, text)

    async def ask(request: InfillRequest) -> InfillResult:
        try:
            return await ls.sampler.infill(request, on_event=on_event)
        except SamplerError as error:
            raise Refusal(str(error)) from None
        finally:
            _preview(ls, target, span, None)

    return ask


async def with_progress(ls: Server, title: str, work: Callable[[Say], Coroutine[Any, Any, Answer]]) -> Answer:
    """Do the work under a progress bar of the client's, where it has one; raises Refusal when it is cancelled there."""
    token, bar = uuid.uuid4().hex, ls.work_done_progress
    if not (_shows_progress(ls) and await _created(ls, token)):
        return await work(lambda message: None)
    running = asyncio.create_task(work(lambda message: bar.report(token, lsp.WorkDoneProgressReport(message=message))))
    bar.tokens[token].add_done_callback(lambda cancelled: running.cancel())
    bar.begin(token, lsp.WorkDoneProgressBegin(title=title, cancellable=True))
    try:
        return await running
    except asyncio.CancelledError:
        if bar.tokens[token].cancelled():
            raise Refusal("The edit was cancelled.") from None
        raise
    finally:
        bar.end(token, lsp.WorkDoneProgressEnd())
        del bar.tokens[token]


async def apply(ls: Server, plan: Plan) -> None:
    """Have the client make the changes, in one step that it can undo; raises Refusal where it does not."""
    edit = workspace_edit(ls, plan)
    params = lsp.ApplyWorkspaceEditParams(edit=edit, label=f"Seedfill: {plan.title}")
    try:
        answer = await asyncio.wait_for(ls.workspace_apply_edit_async(params), APPLY_TIMEOUT_S)
    except TimeoutError:
        raise Refusal("The editor did not say whether it made the edit: look before you ask again.") from None
    except JsonRpcException as error:
        raise Refusal(f"The editor did not make the edit: {error.message}") from None
    if not answer.applied:
        raise Refusal(
            f"The editor did not make the edit{f': {answer.failure_reason}' if answer.failure_reason else '.'}"
        )
    if not await _has_moved(ls, plan.target):
        raise Refusal("The editor says that it made the edit, but the document is as it was.")
    if not _is_made(plan):
        raise Refusal(MOVED_ON)


async def _has_moved(ls: Server, target: Target) -> bool:
    """Whether the document changes soon, as it must: Neovim says that it made what it refused."""
    for _ in range(round(CHANGE_TIMEOUT_S / POLL_S)):
        if not target.document.is_still(target.snapshot):
            return True
        await ls.clock.sleep(POLL_S)
    return False


def _is_made(plan: Plan) -> bool:
    """Whether the document's change is the edit, not only what was typed in its stead."""
    old, new = plan.target.text, plan.target.document.text
    start, end, _ = changed(old, new)
    return new == applied(old, plan.changes) or any(
        change.start <= end and start <= change.end for change in plan.changes
    )


def workspace_edit(ls: Server, plan: Plan) -> lsp.WorkspaceEdit:
    """The changes as the protocol has them, for exactly this version; raises Refusal where the document moved on."""
    document, snapshot = plan.target.document, plan.target.snapshot
    if ls.documents.get(snapshot.uri) is not document or not document.is_still(snapshot):
        raise Refusal(MOVED_ON)
    if not plan.changes:
        raise Refusal("There is nothing to change.")
    edits = [lsp.TextEdit(range=range_of(document, *change[:2]), new_text=change.text) for change in plan.changes]
    version = _version_of_edits(ls, snapshot.version)
    if version is None:
        return lsp.WorkspaceEdit(changes={snapshot.uri: edits})
    identifier = lsp.OptionalVersionedTextDocumentIdentifier(uri=snapshot.uri, version=version)
    return lsp.WorkspaceEdit(document_changes=[lsp.TextDocumentEdit(text_document=identifier, edits=edits)])


def _position(span: Any, edge: str) -> Position:
    try:
        line, character = span[edge]["line"], span[edge]["character"]
    except (TypeError, KeyError):
        line = character = None
    if not all(type(number) is int and number >= 0 for number in (line, character)):
        raise JsonRpcInvalidParams(f"The second argument must be a range, not {span!r}.")
    return Position(line, character)


async def _created(ls: Server, token: str) -> bool:
    try:
        await asyncio.wait_for(ls.work_done_progress.create_async(token), CREATE_TIMEOUT_S)
    except (TimeoutError, JsonRpcException):
        return False
    return True


def _preview(ls: Server, target: Target, span: tuple[int, int], text: str | None) -> None:
    """`text` null: it is over, whatever became of it."""
    if not _shows_preview(ls):
        return
    document, snapshot = target.document, target.snapshot
    if document.is_still(snapshot):
        where = plain_range(document, *span)
        body = {"uri": snapshot.uri, "version": snapshot.version, "range": where, "text": text}
        ls.protocol.notify(PREVIEW, body)


def _shows_progress(ls: Server) -> bool:
    window = ls.client_capabilities.window
    return bool(window and window.work_done_progress)


def _shows_preview(ls: Server) -> bool:
    experimental = ls.client_capabilities.experimental
    return isinstance(experimental, dict) and experimental.get("seedfillPreview") is True


def _version_of_edits(ls: Server, version: int) -> int | None:
    """What an edit of the document at `version` says of it, None where the client takes no versions.

    Neovim does not say that it takes them, but what it says that it does, such as to create files, comes with them. It
    holds a change back for up to 150 ms, and only a version keeps it from making an edit of what was before. Of an
    unchanged document the version is 0 there, and 0 is taken for any; a changed one is beyond 1.
    """
    workspace = ls.client_capabilities.workspace
    edit = workspace and workspace.workspace_edit
    if edit and edit.document_changes:
        return version
    return max(version, 1) if edit and edit.resource_operations else None
