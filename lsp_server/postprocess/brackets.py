"""Brackets and strings that belong together."""

from __future__ import annotations

from typing import TypeAlias

from lsp_server.context.context import Place
from sampler.text.lexing import lexed_at
from sampler.text.syntax import Reading

Brackets: TypeAlias = list[tuple[str, int]]
"""Each with the number of its character, in order."""

OPENER_OF = {")": "(", "]": "[", "}": "{"}
CLOSER_OF = {opener: closer for closer, opener in OPENER_OF.items()}


def is_split(text: str, at: int, place: Place) -> bool:
    """Whether a bracket or a string that opens in `text` before character `at` is closed behind it."""
    reading = _reading(place)
    open_before, _ = paired(reading.inserted(text).brackets("inside"))
    if any(opener < at <= closer for opener, closer in open_before):
        return True
    return reading.quote is None and reading.inserted(text[:at]).at_end.quote is not None


def disorder(text: str, place: Place) -> tuple[int, int]:
    """How many brackets pair with none once `text` stands there, and how much else is wrong; the less the better."""
    found = _reading(place).inserted(text)
    _, alone = paired(found.brackets("all"))
    return len(alone), found.n_errors


def paired(brackets: Brackets) -> tuple[list[tuple[int, int]], Brackets]:
    """Of (bracket, offset) in order: the offsets of those that belong together, and those that belong to none."""
    pairs: list[tuple[int, int]] = []
    closers: Brackets = []
    openers: Brackets = []
    for bracket, at in brackets:
        if bracket in CLOSER_OF:
            openers.append((bracket, at))
        elif openers and openers[-1][0] == OPENER_OF[bracket]:
            pairs.append((openers.pop()[1], at))
        else:
            closers.append((bracket, at))
    return pairs, closers + openers


def _reading(place: Place) -> Reading:
    """Of code what is known of its language; within a string or a comment brackets are signs like others."""
    return place.reading if place.surroundings == "code" else lexed_at(place.line_before, place.line_after, "plaintext")
