"""Brackets and quotes that belong together."""

from __future__ import annotations

OPENER_OF = {")": "(", "]": "[", "}": "{"}
CLOSER_OF = {opener: closer for closer, opener in OPENER_OF.items()}
QUOTES = ('"', "'", "`")


def closes(kept: str, dropped: str) -> bool:
    """Whether `dropped` closes a bracket or a quote that `kept` opens: then it is no repetition."""
    open_quote = any(kept.count(quote) % 2 and quote in dropped for quote in QUOTES)
    return open_quote or any(
        kept.count(opener) > kept.count(closer) and closer in dropped for closer, opener in OPENER_OF.items()
    )


def is_balanced(text: str) -> bool:
    """Whether as many brackets and quotes close in `text` as open."""
    quotes = all(text.count(quote) % 2 == 0 for quote in QUOTES)
    return quotes and all(text.count(opener) == text.count(closer) for closer, opener in OPENER_OF.items())


def unmatched(brackets: list[tuple[str, int]]) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Of (bracket, offset) in order: the closers that nothing opened, and the openers that nothing closed."""
    closers: list[tuple[str, int]] = []
    openers: list[tuple[str, int]] = []
    for bracket, at in brackets:
        if bracket in CLOSER_OF:
            openers.append((bracket, at))
        elif openers and openers[-1][0] == OPENER_OF[bracket]:
            openers.pop()
        else:
            closers.append((bracket, at))
    return closers, openers
