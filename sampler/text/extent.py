"""How far a fill goes, by the lines around it: to the line that stands behind it, or out of the block it began in."""

from __future__ import annotations

from dataclasses import dataclass

_CLOSING = frozenset(")]}")


@dataclass(frozen=True, slots=True)
class Extent:
    """What a fill is measured by.

    `own` is what stands before the cursor on its line. `behind` is the first line behind the cursor's place that says
    something, blanks at its end apart; "" where there is none, or brackets alone, of which a text has many.
    """

    own: str = ""
    behind: str = ""

    def reaches_behind(self, text: str) -> bool:
        """Whether the last line of `text` is the one that stands behind it already; the cursor's own may be like it."""
        if not self.behind or ("\n" not in text and self.own.strip()):
            return False
        return (self.own + text).rpartition("\n")[2] == self.behind

    def is_left(self, text: str) -> bool:
        """Whether the last line of `text` is no part any more of what the fill began in.

        That is a line further left than both the first and the one behind, or where a person has begun the first, one
        no further right. At the outermost level it is the next definition: one that blank lines part from a block.
        """
        *lines, last = (self.own + text).split("\n")
        written = [line for line in lines if line.strip()]
        if not written or not last.strip() or last.lstrip()[0] in _CLOSING:
            return False
        first, now = _indent(written[0]), _indent(last)
        if self.own.strip():
            return now <= first
        if self.behind:
            first = min(first, _indent(self.behind))
        if now or first:
            return now < first
        return not lines[-1].strip() and _indent(written[-1]) > 0


def extent_at(before: str, after: str) -> Extent:
    """The extent of a fill between two pieces of a document."""
    own, (rest, _, below) = before.rpartition("\n")[2], after.partition("\n")
    lines = below.split("\n") if own.strip() else [own + rest, *below.split("\n")]
    line = next((line.rstrip() for line in lines if line.strip()), "")
    return Extent(own, line if any(map(str.isalnum, line)) else "")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
