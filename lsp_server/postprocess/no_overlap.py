"""What already stands after the cursor on its line is not written a second time."""

from __future__ import annotations

import re

from lsp_server.context.query import Place
from lsp_server.postprocess.brackets import is_better_whole

MIN_WORD_OVERLAP = 3
"""Fewer letters in common than this are chance: "class" before "s" is not a repetition."""
_CLOSING = re.compile(r"[)\]}\"'`]")


def no_overlap(text: str, place: Place) -> str:
    """`text` without the longest end that the rest of the line begins with, however often; blanks aside."""
    while (kept := _without_last(text, place)) is not None:
        text = kept
    return text


def _without_last(text: str, place: Place) -> str | None:
    """`text` without the last repetition; None where there is none."""
    rest, ours, n_word = place.line_after, text.rstrip(), _rest_of_word(place)
    for n in range(min(len(ours), len(rest)), 0, -1):
        kept, repeated = ours[:-n], ours[-n:]
        is_telling = _says_something(repeated) or n >= n_word > 0
        if _begins(rest, repeated) and is_telling and not _is_needed(ours, kept, place):
            return kept
    return None


def _is_needed(ours: str, kept: str, place: Place) -> bool:
    """Whether the rest of `ours` closes what is open on the line, and the rest of the line does not do so already.

    A quote that closes nothing although it stands in a string is one of its letters.
    """
    if not kept.strip() or not _CLOSING.search(ours, len(kept)):
        return False
    quote = place.reading.quote
    if quote and quote in ours[len(kept) :] and place.reading.inserted(ours).string_end is None:
        return True
    return is_better_whole(ours, len(kept), place)


def _rest_of_word(place: Place) -> int:
    """How many characters of the word around the cursor stand behind it: none where it stands in no word."""
    found = re.match(r"\w+", place.line_after)
    return found.end() if found and re.search(r"\w\Z", place.line_before[-1:]) else 0


def _begins(rest: str, repeated: str) -> bool:
    return rest.startswith(repeated) or rest.lstrip().startswith(repeated)


def _says_something(repeated: str) -> bool:
    return len(repeated) >= MIN_WORD_OVERLAP or not any(char.isalnum() or char == "_" for char in repeated)
