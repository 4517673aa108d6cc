"""An edit as text: the request for it, and what of its answer may replace the old code. No torch.

Editors, the shell and evaluation share it, so that all of them ask and refuse alike.

request = edit_request(before, "x = None", after, "use 0", document="a.py")
new = rewritten(request, await sampler.infill(request))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampler.messages import Edit, InfillRequest, InfillResult
from sampler.windows import prefix_window, suffix_window

MAX_ADDED = 192
"""Tokens by which the new code may be longer than the old."""
CONFIDENCE_FLOOR = 0.35
"""Mean probability of what is changed; below it an edit is refused rather than shown."""
MAX_SELECTION = 2400
"""Characters of a selection: the model reads it twice."""


class Refusal(Exception):
    """Why an edit is not made, in one sentence for a person."""


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
        pieces=(prefix_window(before), suffix_window(after)),
        instruction=" ".join(instruction.split()),
        edit=Edit(selection=selection, locks=tuple(locks), threshold=threshold),
        **{"max_tokens": MAX_ADDED, **options},
    )


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
        raise Refusal("The model would change nothing here.")
    if best.confidence < floor:
        raise Refusal(f"The model is not sure how to do that ({best.confidence:.0%}): select less or say it otherwise.")
    if not _keeps_locks(request.edit, new):
        raise Refusal("The model did not keep what must stay.")
    return new


def _keeps_locks(edit: Edit, new: str) -> bool:
    at, old = 0, edit.selection
    for start, end in edit.locks:
        found = new.find(old[start:end], at)
        if found < 0 or (start == 0 and found > 0):
            return False
        at = found + end - start
    is_end_locked = bool(edit.locks) and edit.locks[-1][1] == len(old) > edit.locks[-1][0]
    return not is_end_locked or new.endswith(old[slice(*edit.locks[-1])])
