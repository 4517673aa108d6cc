"""An edit as text: the request for it, and what of its answer may replace the old code. No torch.

Editors, the shell and evaluation share it, so that all of them ask and refuse alike.

request = edit_request(before, "x = None", after, "use 0", document="a.py")
rewriting = await rewrite(sampler.infill, request)
rewriting.text
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sampler.protocol.messages import Edit, InfillRequest, InfillResult
from sampler.text.grammars import parser_for
from sampler.text.lexing import unpaired_lines
from sampler.text.syntax import error_lines
from sampler.text.windows import EDIT_PREFIX_CHARACTERS, EDIT_SUFFIX_CHARACTERS, prefix_window, suffix_window

Infill: TypeAlias = Callable[[InfillRequest], Awaitable[InfillResult]]
Around: TypeAlias = tuple[str, str]
"""All that stands before a selection, and behind it."""

MAX_ADDED = 192
"""Tokens by which the new code may be longer than the old."""
CONFIDENCE_FLOOR = 0.35
"""Mean probability of what is changed; below it an edit is refused rather than shown. For models that name no floor of
their own, "edit_confidence_floor" in the section "seedfill" of their config.json."""
MAX_SELECTION = 2400
"""Characters of a selection: the model reads it twice."""
PARSE_ROUNDS = 2
"""How often what does not parse is written again."""
MAX_PARSED = 200_000
"""Characters that are parsed while somebody waits; of longer files the windows that a model sees, or nothing."""


class Refusal(Exception):
    """Why an edit is not made, in one sentence for a person."""


class Fruitless(Refusal):
    """The model left all as it was, or found nothing that parses: it may when it takes what it is less sure of."""


def edit_request(
    before: str,
    selection: str,
    after: str,
    instruction: str,
    *,
    document: str,
    locks: Sequence[tuple[int, int]] = (),
    threshold: float | None = None,
    **options: Any,
) -> InfillRequest:
    """The request to rewrite `selection`, whole lines without the last line end, where all lines end at "\\n".

    `options` are other fields of `InfillRequest`. Raises Refusal where the selection is too long.
    """
    if len(selection) > MAX_SELECTION:
        raise Refusal(f"The selection has {len(selection):,} characters, {MAX_SELECTION:,} at most can be rewritten.")
    return InfillRequest(
        document=document,
        pieces=(prefix_window(before, EDIT_PREFIX_CHARACTERS), suffix_window(after, EDIT_SUFFIX_CHARACTERS)),
        instruction=" ".join(instruction.split()),
        edit=Edit(selection=selection, locks=tuple(locks), threshold=threshold),
        **{"max_tokens": MAX_ADDED, **options},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewriting:
    """The new code, the result that speaks for it, and how many rounds it took to make it parse."""

    text: str
    result: InfillResult
    confidence: float
    """That of the round that was least sure."""
    n_rounds: int = 0


async def rewrite(
    infill: Infill,
    request: InfillRequest,
    floor: float = CONFIDENCE_FLOOR,
    parse_rounds: int | None = PARSE_ROUNDS,
    *,
    around: Around | None = None,
    eager_threshold: float | None = None,
) -> Rewriting:
    """`rewrite_once`; where that is fruitless, again at `eager_threshold`, if there is one and τ_edit was left open.

    Who asks for an edit wants one, and sees it before it counts. Raises Refusal where nothing of it may be shown.
    """
    assert request.edit is not None
    is_open = request.edit.threshold is None and request.edit.start == "selection"
    try:
        return await rewrite_once(infill, request, floor, parse_rounds, around)
    except Fruitless:
        if eager_threshold is None or not is_open:
            raise
    eager = replace(request, edit=replace(request.edit, threshold=eager_threshold))
    return await rewrite_once(infill, eager, floor, parse_rounds, around)


async def rewrite_once(
    infill: Infill, request: InfillRequest, floor: float, parse_rounds: int | None, around: Around | None
) -> Rewriting:
    """Ask, and where the answer has syntax errors that the old code had not, have its lines written again.

    The other lines of the answer are locked then. `parse_rounds` None: whether it parses does not matter.
    `around` is parsed with it: a window that is cut somewhere has syntax errors of its own, which hide others.
    Raises Refusal where nothing of it may be shown.
    """
    around = parsed_around(request, around)
    result = await infill(request)
    text, confidence = rewritten(request, result, floor), result.candidates[0].confidence
    if parse_rounds is None:
        return Rewriting(text=text, result=result, confidence=confidence)
    assert request.edit is not None
    n_before = len(errors_in(request.edit.selection, around, request.language))
    for n_rounds in range(parse_rounds + 1):
        errors = new_errors(text, around, request.language, n_before)
        if not errors:
            return Rewriting(text=text, result=result, confidence=confidence, n_rounds=n_rounds)
        if n_rounds < parse_rounds:
            result = await infill(_again(request, text, errors))
            text = rewritten(request, result, floor)
            confidence = min(confidence, result.candidates[0].confidence)
    raise Fruitless("What the model wrote does not parse: select less, or ask in other words.")


def parsed_around(request: InfillRequest, around: Around | None) -> Around:
    """What is parsed with a selection: all that stands around it, or the windows where that would take long."""
    return around if around and sum(map(len, around)) <= MAX_PARSED else (request.pieces[0], request.pieces[1])


def new_errors(text: str, around: Around, language: str, n_before: int) -> set[int]:
    """The lines of `text` with syntax errors; none where the old code had as many, or where there is no grammar."""
    found, last = errors_in(text, around, language), text.count("\n")
    return {min(max(line, 0), last) for line in found} if len(found) > n_before else set()


def errors_in(code: str, around: Around, language: str) -> list[int]:
    """The line, counted from the start of `code`, of each syntax error in it and in what stands around it.

    Of Python, that at which it would not be compiled is one more: a grammar lets pass what no interpreter runs.
    Without a grammar they are brackets and strings that are not closed.
    """
    before, after = around
    first, text = before.count("\n"), before + code + after
    found = error_lines(text, language) if parser_for(language) else unpaired_lines(text, language)
    return [line - first for line in [*found, *(compile_errors(text) if language == "python" else [])]]


def compile_errors(text: str) -> list[int]:
    """The line, from 0, at which Python refuses to compile `text`; empty where it does, or cannot say."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<edit>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return [(error.lineno or 1) - 1]
    except (ValueError, RecursionError, MemoryError, OverflowError):
        return []
    return []


def _again(request: InfillRequest, text: str, errors: set[int]) -> InfillRequest:
    """The request to write the wrong lines of `text` anew, the others and what was locked before being locked."""
    assert request.edit is not None
    locks, at = _locked_in(request.edit, text) or [], 0
    for i, line in enumerate(text.split("\n")):
        if i not in errors:
            is_run = i > 0 and i - 1 not in errors
            locks.append((at - is_run, at + len(line)))
        at += len(line) + 1
    return replace(request, edit=replace(request.edit, start="selection", selection=text, locks=merged(locks)))


def merged(stretches: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The stretches in order, those that touch being one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def rewritten(request: InfillRequest, result: InfillResult, floor: float = CONFIDENCE_FLOOR) -> str:
    """The new code; raises Refusal where it is unfinished, unsure, or nothing new."""
    assert request.edit is not None
    best, old = result.candidates[0], request.edit.selection
    new = best.fills[0]
    if best.finish in ("deadline", "cancelled"):
        raise Refusal("The model did not finish in time: select less, or allow it more time.")
    if best.finish == "length":
        raise Refusal("The model found no end: select less, or ask in other words.")
    if new == old:
        raise Fruitless("The model would change nothing here.")
    if best.confidence < floor:
        raise Refusal(f"The model is not sure how to do that ({best.confidence:.0%}): select less or say it otherwise.")
    if _locked_in(request.edit, new) is None:
        raise Refusal("The model did not keep what must stay.")
    return new


def _locked_in(edit: Edit, new: str) -> list[tuple[int, int]] | None:
    """Where the locked stretches stand in `new`; None where it lost one, or put something outside the outer ones."""
    found, old, at = [], edit.selection, 0
    for start, end in edit.locks:
        is_last = start < end == len(old)
        place = len(new) - (end - start) if is_last else new.find(old[start:end], at)
        if place < at or (start == 0 and place > 0) or new[place : place + end - start] != old[start:end]:
            return None
        at = place + end - start
        found.append((place, at))
    return found
