"""A fill as an editor would show it: what it repeats of the code around it is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sampler.protocol.messages import InfillResult
from sampler.text.line_ends import unix_lines

if TYPE_CHECKING:
    from lsp_server.context.query import Place


def has_one_line(before: str, after: str, language: str) -> bool:
    """Whether there is room for one line only between `before` and `after`."""
    return _place(before, after, language).is_confined


def fitting(written: str, before: str, after: str, language: str) -> str:
    """What an editor would take of `written` for a hole between `before` and `after`."""
    from lsp_server.edits.holes import fitting as fitting_place

    return fitting_place(written, _place(before, after, language))


def presentable(written: str, before: str, after: str, language: str) -> str:
    """What is shown of `written` to somebody who asked for it: where the filters leave nothing, what was written."""
    from lsp_server.postprocess import postprocess

    place = _place(before, after, language)
    if shown := postprocess(written, place):
        return shown
    first_line = written.partition("\n")[0]
    return first_line if place.is_confined and first_line.strip() else written


def presentable_result(result: InfillResult, before: str, after: str, language: str) -> InfillResult:
    """`result` with the text of every candidate as it is shown; what was counted stays."""
    candidates = tuple(
        replace(candidate, fills=(presentable(candidate.fills[0], before, after, language),))
        for candidate in result.candidates
    )
    return replace(result, candidates=candidates)


def _place(before: str, after: str, language: str) -> Place:
    from lsp_server.context.query import Place

    return Place(before=unix_lines(before), after=unix_lines(after), language=language)
