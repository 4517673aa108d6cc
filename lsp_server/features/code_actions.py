"""Code actions: what can be done to a range, offered at once and made when it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from lsprotocol import types as lsp

from lsp_server.features.edit_commands import PLANNERS, plan
from lsp_server.features.editing import Offer, Target, target_of, workspace_edit
from lsp_server.features.fill_holes import hole_offers
from lsp_server.features.next_edit import next_offers
from lsp_server.features.positions import decoded
from lsp_server.features.repair import repair_offers
from lsp_server.features.rewrite import rewrite_offers
from lsp_server.session import Server
from sampler.text.rewriting import Refusal

Offers: TypeAlias = Callable[[Server, Target, lsp.CodeActionContext], Iterable[Offer]]

OFFERS: tuple[Offers, ...] = (
    lambda ls, target, context: next_offers(target),
    lambda ls, target, context: rewrite_offers(ls, target),
    lambda ls, target, context: hole_offers(ls, target),
    lambda ls, target, context: repair_offers(ls, target, context.diagnostics),
)
KINDS = (lsp.CodeActionKind.QuickFix, lsp.CodeActionKind.RefactorRewrite)


def register(server: Server) -> None:
    """Advertise code actions and answer them."""
    options = lsp.CodeActionOptions(code_action_kinds=KINDS, resolve_provider=True)
    server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, options)(code_actions)
    server.feature(lsp.CODE_ACTION_RESOLVE)(resolve)


def code_actions(ls: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction] | None:
    """What is offered for a range, of the kinds that were asked for; nothing is computed yet."""
    document = ls.documents.get(params.text_document.uri)
    if document is None:
        return None
    span = {"start": decoded(params.range.start)._asdict(), "end": decoded(params.range.end)._asdict()}
    try:
        target = target_of(ls, document.uri, span)
    except Refusal:
        return None
    found = [offer for offers in OFFERS for offer in offers(ls, target, params.context)]
    return [_action(ls, target, offer) for offer in found if _is_wanted(offer, params.context.only)] or None


async def resolve(ls: Server, action: lsp.CodeAction) -> lsp.CodeAction:
    """Make the edit of the action that was chosen; where it is refused the person is told, and nothing changes."""
    match action.data:
        case {"command": str(command), "arguments": [str(uri), *rest], "version": int(version)} if command in PLANNERS:
            pass
        case _:
            return action
    try:
        document = ls.documents.get(uri)
        if document is None or document.version != version:
            raise Refusal("The document changed since this was offered: ask again.")
        action.edit = workspace_edit(ls, await plan(ls, command, [uri, *rest]))
    except Refusal as refusal:
        ls.tell(str(refusal))
    return action


def _action(ls: Server, target: Target, offer: Offer) -> lsp.CodeAction:
    """With data to resolve it by where the client does that for edits, else with the command itself."""
    action = lsp.CodeAction(
        title=offer.title,
        kind=offer.kind,
        diagnostics=list(offer.diagnostics) or None,
        tags=[lsp.CodeActionTag.LlmGenerated] if offer.by_model and _takes_tags(ls) else None,
    )
    if _resolves_edits(ls):
        version = target.snapshot.version
        action.data = {"command": offer.command, "arguments": offer.arguments, "version": version}
    else:
        action.command = lsp.Command(title=offer.title, command=offer.command, arguments=offer.arguments)
    return action


def _is_wanted(offer: Offer, only: Iterable[lsp.CodeActionKind | str] | None) -> bool:
    """A kind that was asked for stands for those below it."""
    if only is None:
        return True
    wanted = [str(getattr(kind, "value", kind)) for kind in only]
    return any(offer.kind.value == kind or offer.kind.value.startswith(f"{kind}.") or kind == "" for kind in wanted)


def _takes_tags(ls: Server) -> bool:
    capability = _capability(ls)
    return bool(capability and capability.tag_support)


def _resolves_edits(ls: Server) -> bool:
    capability = _capability(ls)
    support = capability.resolve_support if capability else None
    return bool(support and "edit" in support.properties and capability and capability.data_support)


def _capability(ls: Server) -> lsp.CodeActionClientCapabilities | None:
    document = ls.client_capabilities.text_document
    return document.code_action if document else None
