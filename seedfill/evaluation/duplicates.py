"""Whether a suggestion writes a second time what already stands after the cursor: a judge apart from the filters."""

from __future__ import annotations

import re

_PAIRS = {")": "(", "]": "[", "}": "{"}


def repeats_suffix(text: str, before: str, after: str) -> bool:
    """Whether `text` between `before` and `after` ends with what follows it: the rest of the line, or lines below.

    A closing bracket or quote that belongs to one which `text` opens repeats nothing, nor does a bracket that the line
    is short of.
    """
    rest, _, below = after.partition("\n")
    line = before.rpartition("\n")[2]
    return _repeats_rest_of_line(line, text, rest) or _repeats_lines(line + text, text, below)


def _repeats_rest_of_line(line: str, text: str, rest: str) -> bool:
    ours, rest = text.rstrip(), rest.strip()
    for n in range(min(len(ours), len(rest)), 0, -1):
        end = ours[-n:]
        if rest.startswith(end) and (n >= 3 or not re.search(r"\w", end)):
            return not (_is_needed(ours[:-n], end) or _is_short(line + ours[:-n] + rest, end))
    return False


def _repeats_lines(with_line: str, text: str, below: str) -> bool:
    ours = [line.rstrip() for line in with_line.split("\n") if line.strip()]
    theirs = [line.rstrip() for line in below.split("\n") if line.strip()]
    for n in range(1, min(len(ours), len(theirs), text.count("\n") + 1) + 1):
        repeated = "\n".join(ours[-n:])
        if ours[-n:] == theirs[:n]:
            return not _is_needed(text[: max(len(text) - len(repeated), 0)], repeated)
    return False


def _is_needed(kept: str, end: str) -> bool:
    """Whether `end` closes what `kept` leaves open."""
    return _is_short(kept, end) or any(kept.count(quote) % 2 == 1 and quote in end for quote in "\"'")


def _is_short(code: str, end: str) -> bool:
    """Whether `code` opens a bracket that it does not close, and `end` does."""
    return any(code.count(opener) > code.count(closer) and closer in end for closer, opener in _PAIRS.items())
