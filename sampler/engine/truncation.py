"""Requests cut by characters before anything is tokenised: what a model cannot read costs no time.

The windows of the canvas are cut by tokens, and exactly; here they are only bounded. A tokenizer takes half a second
for a megabyte, and the engine serves nobody else meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from sampler.protocol.messages import BadMessage, InfillRequest, Snippet
from sampler.text.windows import prefix_window, suffix_window

CHARACTERS_PER_TOKEN = 16
"""More than any code has on average."""
MAX_SNIPPETS = 32


def clipped(request: InfillRequest, max_positions: int) -> InfillRequest:
    """The request without text that is out of the model's reach; raises BadMessage where it is nothing to be cut."""
    budget = max_positions * CHARACTERS_PER_TOKEN
    first, *inner, last = request.pieces
    _refuse_long(request, inner, budget)
    pieces = (prefix_window(first, budget), *inner, suffix_window(last, budget))
    return replace(request, pieces=pieces, snippets=_fitting(request.snippets[:MAX_SNIPPETS], budget // 2))


def _refuse_long(request: InfillRequest, inner: Sequence[str], budget: int) -> None:
    selection = request.edit.selection if request.edit else ""
    for texts, complaint in (
        (inner, "The spans lie too far apart for this model: ask for fewer at once."),
        ([selection], "The selection is too long for this model: select less of it."),
        (
            [request.instruction, request.path, request.language],
            "The instruction or the file's name is too long for this model: shorten it.",
        ),
    ):
        if sum(map(len, texts)) > budget:
            raise BadMessage(complaint)


def _fitting(snippets: Sequence[Snippet], budget: int) -> tuple[Snippet, ...]:
    """As many of the first snippets as have room."""
    ends = accumulate(len(snippet.path) + len(snippet.text) for snippet in snippets)
    return tuple(snippet for snippet, end in zip(snippets, ends, strict=True) if end <= budget)
