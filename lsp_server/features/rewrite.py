"""Rewriting a selection: by an instruction from the client, by one that stands in a comment, by a preset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams

from lsp_server.edits.instructions import instruction_at
from lsp_server.edits.presets import offered
from lsp_server.edits.selection import Replacement, Selection, replacements, rewrite_request, select
from lsp_server.features.editing import Offer, Plan, Say, Target, asker, request_options, target_of
from lsp_server.features.positions import plain_range
from lsp_server.session import Server
from lsp_server.workspace.model_facts import model_facts
from sampler.text.rewriting import MAX_SELECTION, Refusal, rewrite

KIND = lsp.CodeActionKind.RefactorRewrite
REWRITE = "seedfill.rewrite"
"""Arguments: the document's URI, a range, an instruction (without one, a comment in the range has to hold it), and
perhaps ranges of what has to stay as it is."""


async def plan_rewrite(
    ls: Server, say: Say, uri: Any = None, span: Any = None, instruction: Any = None, keep: Any = None
) -> Plan:
    """The selection as the instruction says; raises Refusal."""
    if instruction is not None and not isinstance(instruction, str):
        raise JsonRpcInvalidParams(f"The third argument must be an instruction, not {instruction!r}.")
    target, kept = target_of(ls, uri, span), kept_of(ls, uri, keep)
    if instruction and instruction.strip():
        selection = replace(select(target.text, target.start, target.end), kept=kept)
        changes = await _rewritten(ls, say, target, selection, instruction)
        return Plan(target, instruction.strip(), changes)
    found = instruction_at(target.text, target.start, target.end)
    if found is None:
        raise Refusal("Say what is to become of the selection.")
    selection = replace(select(target.text, found.end, found.last), kept=kept)
    changes = await _rewritten(ls, say, target, selection, found.text)
    return Plan(target, found.text, [Replacement(found.start, found.end, ""), *changes])


def rewrite_offers(ls: Server, target: Target) -> Iterator[Offer]:
    """What a comment asks for, and for a selection the presets that the model is good for."""
    uri = target.snapshot.uri
    if found := instruction_at(target.text, target.start, target.end):
        span = plain_range(target.document, found.start, found.last)
        yield Offer(f"Do what the comment says: {found.text}", KIND, REWRITE, [uri, span, ""])
    if target.start < target.end:
        span = plain_range(target.document, target.start, target.end)
        code = select(target.text, target.start, min(target.end, target.start + MAX_SELECTION)).lines
        for preset in offered(model_facts(ls.settings.sampler.model).presets, code):
            yield Offer(preset.title, KIND, REWRITE, [uri, span, preset.instruction])


def kept_of(ls: Server, uri: Any, keep: Any) -> tuple[tuple[int, int], ...]:
    """The stretches that a command's last argument names; raises JsonRpcInvalidParams for what is no list of ranges."""
    if keep is not None and not isinstance(keep, list):
        raise JsonRpcInvalidParams(f"The fourth argument must be a list of ranges, not {keep!r}.")
    targets = [target_of(ls, uri, span) for span in keep or ()]
    return tuple((target.start, target.end) for target in targets)


async def _rewritten(ls: Server, say: Say, target: Target, selection: Selection, instruction: str) -> list[Replacement]:
    request = rewrite_request(selection, instruction, **request_options(ls, target))
    ask = asker(ls, target, say, (selection.start, selection.end))
    facts = model_facts(ls.settings.sampler.model)
    floor, eager = facts.edit_confidence_floor, facts.eager_edit_threshold
    written = await rewrite(ask, request, floor, around=selection.around, eager_threshold=eager)
    return replacements(selection, written.text)
