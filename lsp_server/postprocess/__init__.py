"""What happens to a model's text before a person sees it: an ordered list of small pure filters, one a module.

A filter takes the text so far and the place it goes to, and gives the text back, changed or as it is; an empty
text is not shown. What each filter did is kept in a `Verdict`, so that a person can be told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from lsp_server.context.query import Place
from lsp_server.postprocess.block_indent import block_indent
from lsp_server.postprocess.end_of_block import end_of_block
from lsp_server.postprocess.end_of_statement import end_of_statement
from lsp_server.postprocess.file_indent import file_indent
from lsp_server.postprocess.first_indent import first_indent
from lsp_server.postprocess.no_cut_end import no_cut_end
from lsp_server.postprocess.no_doubled_brackets import no_doubled_brackets
from lsp_server.postprocess.no_doubled_quotes import no_doubled_quotes
from lsp_server.postprocess.no_lines_above import no_lines_above
from lsp_server.postprocess.no_lines_below import no_lines_below
from lsp_server.postprocess.no_lone_sign import no_lone_sign
from lsp_server.postprocess.no_loops import no_loops
from lsp_server.postprocess.no_odd_characters import no_odd_characters
from lsp_server.postprocess.no_overlap import no_overlap
from lsp_server.postprocess.no_repeated_start import no_repeated_start
from lsp_server.postprocess.no_secrets import no_secrets
from lsp_server.postprocess.no_trailing_blanks import no_trailing_blanks
from lsp_server.postprocess.no_worse_parse import no_worse_parse
from lsp_server.postprocess.one_line import one_line


class Filter(NamedTuple):
    """A pure function of a text and its place, and why it changes a text, as the end of "changed because …".

    Some are only for a text whose writer was stopped, by the limit of its length or of time.
    """

    apply: Callable[[str, Place], str]
    reason: str
    only_cut: bool = False

    @property
    def name(self) -> str:
        """What it is called in traces."""
        return self.apply.__name__


class Step(NamedTuple):
    """What one filter did to a text; `after` is None where it left nothing to show."""

    filter: str
    before: str
    after: str | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of a model's text, and how: the filters that changed it, in order."""

    written: str
    shown: str
    steps: tuple[Step, ...]

    @property
    def reason(self) -> str:
        """Why nothing is shown, in one sentence; empty where something is."""
        if self.shown:
            return ""
        if not self.steps:
            return "The model wrote nothing."
        return f"Nothing is left of it: {self.steps[-1].reason} ({self.steps[-1].filter})."


_OVERLAP = Filter(no_overlap, "it repeated the rest of the line")
_LINES_BELOW = Filter(no_lines_below, "it repeated the lines below")

FILTERS: tuple[Filter, ...] = (
    Filter(no_odd_characters, "it held characters that are no text"),
    Filter(no_secrets, "it looked like a key or a password"),
    Filter(no_cut_end, "its end was missing", only_cut=True),
    Filter(one_line, "there is room for one line only"),
    Filter(no_repeated_start, "it began with what stands before the cursor"),
    Filter(no_doubled_quotes, "it closed a string that is closed already"),
    Filter(first_indent, "its first line was indented too far"),
    Filter(block_indent, "the lines of its block were not indented"),
    Filter(file_indent, "it was not indented as the file is"),
    _OVERLAP,
    _LINES_BELOW,
    Filter(no_doubled_brackets, "it closed a bracket that is closed already"),
    Filter(no_lines_above, "it repeated the lines above"),
    Filter(no_loops, "it repeated itself"),
    Filter(end_of_statement, "it went on after the end of the statement"),
    Filter(end_of_block, "it went on after the end of the block"),
    Filter(no_worse_parse, "the code would not have parsed"),
    _OVERLAP,  # once more: what the filters in between cut may end alike
    _LINES_BELOW,
    Filter(no_trailing_blanks, "it ended in blanks"),
    Filter(no_lone_sign, "a single closing sign is not worth a suggestion"),
)


def verdict(text: str, place: Place, filters: tuple[Filter, ...] = FILTERS, *, is_cut: bool = False) -> Verdict:
    """`text` through all filters in order, with what each of them changed; `is_cut` where its writer was stopped."""
    written, steps = text, []
    for one in filters if is_cut else (one for one in filters if not one.only_cut):
        if not text:
            break
        before, text = text, one.apply(text, place)
        if text != before:
            steps.append(Step(one.name, before, text or None, one.reason))
    return Verdict(written=written, shown=text, steps=tuple(steps))


def postprocess(text: str, place: Place, filters: tuple[Filter, ...] = FILTERS, *, is_cut: bool = False) -> str:
    """What is shown of `text`."""
    return verdict(text, place, filters, is_cut=is_cut).shown
