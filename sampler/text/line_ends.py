"""Line ends: models read and write "\\n", a document keeps its own.

A line ends at "\\r\\n", "\\n" or "\\r", as editors have it.
"""

from __future__ import annotations


def unix_lines(text: str) -> str:
    """`text` with "\\n" for every line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def newline_of(text: str) -> str:
    """The line end that most lines have; "\\n" where there is none, or as many have another."""
    both = text.count("\r\n") if "\r" in text else 0
    counts = {"\n": text.count("\n") - both, "\r\n": both, "\r": text.count("\r") - both}
    return max(counts, key=lambda newline: counts[newline])


def own_lines(text: str, document: str) -> str:
    """`text`, whose lines end at "\\n", with the line ends of `document`."""
    return text.replace("\n", newline_of(document)) if "\n" in text else text
