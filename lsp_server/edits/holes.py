"""Holes in a document: where they are, and several of them filled in one group so that each sees the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, pairwise

from lsp_server.context.query import Place
from lsp_server.edits.selection import Replacement, seen
from lsp_server.postprocess import postprocess
from sampler.protocol.messages import InfillRequest
from sampler.text.hole_groups import group_pieces, hole_groups
from sampler.text.line_ends import own_lines
from sampler.text.places import holes, kinds_at
from sampler.text.refilling import fits, refill
from sampler.text.rewriting import MAX_PARSED, Infill, Refusal
from sampler.text.windows import parsed_end, parsed_start, prefix_window, suffix_window

MARKER = "▢"
MAX_HOLES = 32
"""Of one request of a person's: more would not be looked at one by one."""
LOOKED_BACK = 10_000
"""Characters above a hole that tell whether it is one."""
_MAY_BE = re.compile(rf"{MARKER}|\bpass\b|\.\.\.|\bTODO\b|\bNotImplementedError\b")
_TO_DO = re.compile(
    rf"({MARKER})|^[ \t]+((?:pass|\.\.\.)[ \t]*#[ \t]*TODO\b[^\r\n]*"
    r"|raise NotImplementedError\b[^\r\n#]*(?:#[ \t]*TODO\b[^\r\n]*)?)",
    re.MULTILINE,
)
_KEPT_EMPTY = re.compile(r"except\b|class \w+\(.+\)")
_STUB = re.compile(r"@(\w+\.)*(overload|abstract\w+)\b|class \w+\(.*\bProtocol\b")


def find_holes(text: str, language: str, start: int, end: int) -> list[tuple[int, int]]:
    """The holes that touch characters `start` to `end`, in order: `▢`, bodies of `pass` or `...`, and what is to do.

    What is empty on purpose is none: a handler, a class that only has another name than its base, a stub.
    """
    if not _MAY_BE.search(text, start, end):
        return []
    if len(text) > MAX_PARSED and end - start < MAX_PARSED:
        first, last = parsed_start(text[:start], language), end + parsed_end(text[end : end + MAX_PARSED])
        return [(a + first, b + first) for a, b in find_holes(text[first:last], language, start - first, end - first)]
    found = set(_to_do(text, language))
    bodies = {hole for hole in holes(text, language) if hole[0] < hole[1] and hole[0] <= end and hole[1] >= start}
    found |= {hole for hole in bodies if not _is_on_purpose(text, hole[0])}
    return _apart(sorted(hole for hole in found if hole[0] <= end and hole[1] >= start))


async def fill(infill: Infill, text: str, spans: list[tuple[int, int]], request: InfillRequest) -> list[Replacement]:
    """What becomes of the holes; `request` says all but the pieces.

    A hole whose fill does not fit is tried once more by itself; one that nothing fits stays as it is.

    Raises Refusal where there is none, or too many.
    """
    if not spans:
        raise Refusal("There is no hole here: write ▢, or a body of pass or `...`, where something is to be filled in.")
    if len(spans) > MAX_HOLES:
        raise Refusal(f"There are {len(spans)} holes, {MAX_HOLES} at most can be filled at once: select fewer.")
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    pieces = [seen(text[a:b]) for a, b in list(pairwise(edges))[::2]]
    filled, fills = pieces[0], list[str]()
    for group in hole_groups(pieces):
        result = await infill(replace(request, pieces=group_pieces(filled, pieces, group)))
        together = result.candidates[0].fills
        for i, (hole, written) in enumerate(zip(group, together, strict=True)):
            others = chain(*zip(pieces[hole + 1 : group.stop], together[i + 1 :], strict=True))
            after = "".join((*others, *pieces[group.stop :]))
            place = Place(before=filled, after=after, language=request.language)
            fills.append(fitting(written, place))
            if written.strip() and not fills[-1]:
                fills[-1] = await _once_more(infill, request, place)
            filled += (fills[-1] or seen(text[slice(*spans[hole])])) + pieces[hole + 1]
    return [
        Replacement(start, end, own_lines(written, text))
        for (start, end), written in zip(spans, fills, strict=True)
        if written and written != text[start:end]
    ]


async def _once_more(infill: Infill, request: InfillRequest, place: Place) -> str:
    """What fits into one hole whose first fill did not, with the parser in the loop."""
    alone = replace(request, pieces=(prefix_window(place.before), suffix_window(place.after)))
    found = await refill(infill, alone)
    return fitting(found.candidates[0].fills[0], place)


def fitting(written: str, place: Place) -> str:
    """What is taken of a fill: nothing where it would leave more wrong than a hole's place must be."""
    shown = postprocess(written, place)
    return shown if fits(place.before, shown, place.after, place.language) else ""


def _to_do(text: str, language: str) -> list[tuple[int, int]]:
    """Where ▢ stands, and what says in code that it is to be done."""
    matches = [*_TO_DO.finditer(text)]
    kinds = kinds_at(text, language, (match.start(match.lastindex or 0) for match in matches))
    return [
        match.span(match.lastindex or 0)
        for match, kind in zip(matches, kinds or [""] * len(matches), strict=True)
        if match.lastindex == 1 or "string" not in kind
    ]


def _is_on_purpose(text: str, start: int) -> bool:
    """Whether the body at `start` is to hold nothing, as far as the lines above tell."""
    lines = _upwards(text, start)
    first = next(lines, "")
    own = len(first)
    heads, is_decorator = list[str](), False
    for line in lines if not first.strip() else chain([first], lines):
        written, indent = line.strip(), len(line) - len(line.lstrip())
        if not heads and "TODO" in written:
            return False
        is_decorator &= written.startswith("@")
        if heads and own == 0 and not is_decorator:  # nothing stands further left
            break
        if written and (indent < own or is_decorator):
            heads.append(written)
            own, is_decorator = indent, True
    return bool(heads) and (_KEPT_EMPTY.match(heads[0]) is not None or any(map(_STUB.match, heads[1:])))


def _upwards(text: str, end: int) -> Iterator[str]:
    """The line up to character `end`, and those above it, as far as is looked back."""
    least = max(end - LOOKED_BACK, 0)
    while end >= least:
        start = text.rfind("\n", least, end) + 1 or least
        yield text[start:end]
        end = start - 1


def _apart(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without those that begin inside the one before, such as a placeholder found both ways."""
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        if kept and start < kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        else:
            kept.append((start, end))
    return kept
