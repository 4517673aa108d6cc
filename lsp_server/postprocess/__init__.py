"""What happens to a model's text before a person sees it: an ordered list of small pure filters, one a module.

A filter takes the text so far and the place it goes to, and gives the text back, shortened or as it is; an
empty text is not shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from lsp_server.context import Place
from lsp_server.postprocess.no_overlap import no_overlap
from lsp_server.postprocess.no_trailing_blanks import no_trailing_blanks
from lsp_server.postprocess.one_line import one_line

Filter: TypeAlias = Callable[[str, Place], str]

FILTERS: tuple[Filter, ...] = (one_line, no_overlap, no_trailing_blanks)


def postprocess(text: str, place: Place, filters: tuple[Filter, ...] = FILTERS) -> str:
    """`text` through all filters in order."""
    for apply in filters:
        text = apply(text, place)
    return text
