"""Brackets and strings that belong together."""

from __future__ import annotations

from typing import TypeAlias

from lsp_server.context.query import Place
from sampler.text.lexing import lexed_at
from sampler.text.syntax import Reading

Brackets: TypeAlias = list[tuple[str, int]]
"""Each with the number of its character, in order."""

OPENER_OF = {")": "(", "]": "[", "}": "{"}
CLOSER_OF = {opener: closer for closer, opener in OPENER_OF.items()}


def is_split(text: str, at: int, place: Place) -> bool:
    """Whether a bracket or a string that opens in `text` before character `at` is closed behind it."""
    reading = _reading(place)
    if _is_pair_around(reading.inserted(text).brackets("inside"), at):
        return True
    return reading.quote is None and reading.inserted(text[:at]).at_end.quote is not None


def is_better_whole(text: str, at: int, place: Place) -> bool:
    """Whether `text` leaves fewer brackets and strings open on its line than its first `at` characters do.

    One that is open further up is not looked at: what closes it may stand further down than anybody reads.
    """
    reading = _reading(place)
    whole, part = reading.inserted(text), reading.inserted(text[:at])
    n = len(place.line_before)
    brackets = [(bracket, place_in - whole.n_before + n) for bracket, place_in in whole.brackets("all")]
    on_line = [(bracket, place_in) for bracket, place_in in brackets if 0 <= place_in < n + len(text)]
    if not _is_pair_around(on_line, n + at) and whole.at_end.quote == part.at_end.quote:
        return False
    return _disorder(whole) < _disorder(part)


def _is_pair_around(brackets: Brackets, at: int) -> bool:
    return any(opener < at <= closer for opener, closer in paired(brackets)[0])


def _disorder(reading: Reading) -> tuple[int, int]:
    """How many brackets pair with none, and how much else is wrong."""
    return len(paired(reading.brackets("all"))[1]), reading.n_errors


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
