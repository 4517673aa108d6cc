"""What already stands after the cursor on its line is not written a second time."""

from __future__ import annotations

from lsp_server.context import Place
from lsp_server.postprocess.brackets import closes

MIN_WORD_OVERLAP = 3
"""Fewer letters in common than this are chance: "class" before "s" is not a repetition."""


def no_overlap(text: str, place: Place) -> str:
    """`text` without the longest end that the rest of the line begins with, blanks on both sides aside."""
    rest, ours = place.line_after, text.rstrip()
    for n in range(min(len(ours), len(rest)), 0, -1):
        kept, repeated = ours[:-n], ours[-n:]
        if _begins(rest, repeated) and _says_something(repeated) and not closes(kept, repeated):
            return kept
    return text


def _begins(rest: str, repeated: str) -> bool:
    return rest.startswith(repeated) or rest.lstrip().startswith(repeated)


def _says_something(repeated: str) -> bool:
    return len(repeated) >= MIN_WORD_OVERLAP or not any(char.isalnum() or char == "_" for char in repeated)
