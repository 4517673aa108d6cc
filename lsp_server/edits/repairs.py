"""Repairing code: lines that are wrong are masked and written anew, the rest stays; and code that the model doubts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from lsp_server.edits.selection import Replacement, Selection, replacements, rewrite_request, select
from sampler.protocol.messages import Candidate, InfillRequest
from sampler.text.rewriting import MAX_PARSED, Around, Infill, Refusal, errors_in, parsed_around
from sampler.text.syntax import error_lines

FIX = "fix the code"
"""What models are trained to be told."""
N_CANDIDATES = 3
DOUBT_THRESHOLD = 0.9
"""How sure the model must be of something else for what stands there to be doubted."""
DOUBT_CHARACTERS = 1200
"""Of the lines that are read at once for doubts."""


class Doubt(NamedTuple):
    """Characters that the model would rather have otherwise."""

    start: int
    end: int
    text: str


@lru_cache(maxsize=1)
def _error_lines(text: str, language: str) -> list[int]:
    """They stay the same until the text changes, and editors ask at each move of the cursor."""
    return error_lines(text, language)


def first_error_lines(text: str, language: str, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
    """The first run of lines between two characters in which the grammar finds errors, as characters; None if none."""
    if len(text) > MAX_PARSED:
        return None
    first, last = text.count("\n", 0, start), text.count("\n", 0, len(text) if end is None else end)
    found = [line for line in _error_lines(text, language) if first <= line <= last]
    if not found:
        return None
    run_end = found[0]
    for line in found:
        run_end = line if line <= run_end + 1 else run_end
    lines = text.split("\n")
    begin = sum(len(line) + 1 for line in lines[: found[0]])
    return begin, begin + sum(len(line) + 1 for line in lines[found[0] : run_end + 1]) - 1


async def repair(infill: Infill, selection: Selection, message: str, **options: Any) -> list[Replacement]:
    """Write the selection's lines anew, none being told what stood there; raises Refusal where that repairs nothing."""
    whole = select(selection.text, selection.start, selection.end)
    request = rewrite_request(whole, f"{FIX}: {message}" if message else FIX, **options)
    assert request.edit is not None
    request = replace(request, edit=replace(request.edit, start="masks"), n_candidates=N_CANDIDATES)
    result = await infill(request)
    around = parsed_around(request, whole.around)
    n_before = len(errors_in(whole.lines, around, request.language))
    better = (candidate.fills[0] for candidate in result.candidates if _repairs(request, candidate, n_before, around))
    text = next(better, None)
    if text is None:
        raise Refusal("The model found no repair: select more of the code, or say what is wrong.")
    return replacements(whole, text)


def _repairs(request: InfillRequest, candidate: Candidate, n_before: int, around: Around) -> bool:
    """Whether it is whole, other code, and has fewer syntax errors, or none where there were none."""
    assert request.edit is not None
    text = candidate.fills[0]
    if candidate.finish != "end" or text.strip() == request.edit.selection.strip():
        return False
    n_after = len(errors_in(text, around, request.language))
    return n_after < n_before or n_after == 0


async def doubts(infill: Infill, text: str, start: int, end: int, **options: Any) -> list[Doubt]:
    """What of the lines the model would write otherwise, being sure of it."""
    found: list[Doubt] = []
    for first, last in _stretches(text, start, end):
        selection = select(text, first, last)
        request = rewrite_request(selection, FIX, threshold=DOUBT_THRESHOLD, **options)
        best = (await infill(request)).candidates[0]
        if best.finish == "end":
            found += [Doubt(*change) for change in replacements(selection, best.fills[0])]
    return found


def _stretches(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Runs of whole lines that can be read at once; a line that is too long by itself is left out."""
    selection = select(text, start, end)
    first = at = selection.start
    while at < selection.end:
        next_line = min(text.find("\n", at) + 1 or len(text), selection.end)
        if next_line - first > DOUBT_CHARACTERS:
            if at > first:
                yield first, at
            first = at if next_line - at <= DOUBT_CHARACTERS else next_line
        at = next_line
    if at > first:
        yield first, at
