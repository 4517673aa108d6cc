"""What a stranger's file says of itself reaches a person in one line that can be shown."""

from __future__ import annotations

MOST = 400


def one_line(text: str, most: int | None = MOST) -> str:
    """`text` in one line of at most `most` characters, cut in its middle; what no terminal should obey is escaped."""
    cut = text if most is None or len(text) <= most else _cut(text, most)
    line = "".join(c if c.isprintable() or c.isspace() else c.encode("unicode_escape").decode() for c in cut)
    return " ".join(line.split())


def _cut(text: str, most: int) -> str:
    n_last = most // 4
    return f"{text[: most - n_last - 1]}…{text[-n_last:]}"
