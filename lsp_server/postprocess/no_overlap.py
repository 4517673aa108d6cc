"""What already stands after the cursor is not written a second time."""

from __future__ import annotations

from lsp_server.context import Place

MIN_WORD_OVERLAP = 3
"""Fewer letters in common than this are chance: "class" before "s" is not a repetition."""

_OPENERS = {")": "(", "]": "[", "}": "{"}


def no_overlap(text: str, place: Place) -> str:
    """`text` up to where it begins to repeat the rest of the cursor's line or the lines below it."""
    return _without_lines_below(_without_rest_of_line(text, place.line_after), place)


def _without_rest_of_line(text: str, rest: str) -> str:
    """Drop the longest end of `text` that the rest of the line begins with."""
    for n in range(min(len(text), len(rest)), 0, -1):
        kept, repeated = text[:-n], text[-n:]
        if rest.startswith(repeated) and _says_something(repeated) and not _closes(kept, repeated):
            return kept
    return text


def _without_lines_below(text: str, place: Place) -> str:
    """Drop the last lines of `text`, from where they and the lines below the cursor are the same."""
    lines = text.split("\n")
    below = _without_blank_lines(place.after.split("\n")[1:])
    for n in range(len(lines)):
        ours = [place.line_before + lines[0], *lines[1:]][n:]
        kept = "\n".join(lines[:n])
        if _same_start(_without_blank_lines(ours), below) and not _closes(kept, "\n".join(ours)):
            return kept
    return text


def _same_start(ours: list[str], below: list[str]) -> bool:
    """Whether one of two lists of lines is the beginning of the other."""
    n = min(len(ours), len(below))
    return n > 0 and ours[:n] == below[:n]


def _without_blank_lines(lines: list[str]) -> list[str]:
    return [line.rstrip() for line in lines if line.strip()]


def _says_something(repeated: str) -> bool:
    return len(repeated) >= MIN_WORD_OVERLAP or not any(char.isalnum() or char == "_" for char in repeated)


def _closes(kept: str, dropped: str) -> bool:
    """Whether `dropped` closes a bracket or a quote that `kept` opens: then it is no repetition."""
    open_quote = any(kept.count(quote) % 2 and quote in dropped for quote in "\"'`")
    return open_quote or any(
        kept.count(opener) > kept.count(closer) and closer in dropped for closer, opener in _OPENERS.items()
    )
