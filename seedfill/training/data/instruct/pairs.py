"""From a file to an instructed edit: a selection as it was, what it became, and how somebody asked for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from random import Random

from seedfill.training.data.instruct import additions, cleanups, rewrites
from seedfill.training.data.instruct.source import FUNCTIONS, TRANSFORMATIONS, Change, Source, apply
from seedfill.training.data.instruct.wordings import Choice, instruct

MAX_SELECTION = 800
"""Characters of a selection, before and after: what a small model rewrites at once."""
EXCERPT = 6_000
"""Characters of a file that are parsed to find an edit."""
N_KINDS = 20
"""Kinds that are tried on one excerpt before another file is taken."""

N_CHANGES = 4
"""Changes of a kind that are tried on one excerpt: some lie in lines too long to be selected."""

_STATEMENT = re.compile(r"^(?!else|elif|except|finally)[A-Za-z@_]", re.MULTILINE)

MODULES = (additions, rewrites, cleanups)
"""Where transformations are defined; importing them fills `TRANSFORMATIONS`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """An edit of one file: characters `start` to `end` of the file after it hold `new`; before it they held `old`."""

    kind: str
    start: int
    end: int
    old: str
    new: str
    facts: dict[str, str] = field(default_factory=dict)

    def before(self, after: str) -> str:
        """The file before the edit, given the one after it."""
        return after[: self.start] + self.old + after[self.end :]


def make_pair(text: str, kind: str, rng: Random) -> Pair | None:
    """An edit of that kind somewhere in `text`; None where there is none. Both files parse and differ."""
    try:
        source = Source(text)
    except (SyntaxError, ValueError, RecursionError):
        return None
    return _pair(source, kind, rng)


def draw_pair(text: str, rng: Random, kinds: Sequence[str] = ()) -> Pair | None:
    """An edit of any kind, or of one of `kinds`, somewhere in a stretch of `text`, the rarer kinds tried first."""
    start, end = excerpt(text, rng)
    try:
        source = Source(text[start:end])
    except (SyntaxError, ValueError, RecursionError):
        return None
    order = sorted(
        kinds or TRANSFORMATIONS, key=lambda kind: rng.random() ** (1 / _WEIGHTS.get(kind, 1.0)), reverse=True
    )
    for kind in order[:N_KINDS]:
        pair = _pair(source, kind, rng)
        if pair is not None:
            return replace(pair, start=pair.start + start, end=pair.end + start)
    return None


def instruction(pair: Pair, rng: Random, choice: Choice = "train") -> str | None:
    """How somebody might ask for the edit; None where there is no wording for it."""
    return instruct(pair.kind, pair.facts, rng, choice)


def excerpt(text: str, rng: Random) -> tuple[int, int]:
    """A stretch of at most `EXCERPT` characters (or one long statement) between two lines that are not indented."""
    if len(text) <= EXCERPT:
        return 0, len(text)
    start = _top_level(text, rng.randrange(-EXCERPT // 2, len(text) - EXCERPT // 2))
    return start, _top_level(text, start + EXCERPT)


def _top_level(text: str, at: int) -> int:
    """The first line from `at` on that may begin a statement of the module."""
    if at <= 0:
        return 0
    begins = _STATEMENT.search(text, text.find("\n", at) + 1 or len(text))
    return begins.start() if begins else len(text)


def _pair(source: Source, kind: str, rng: Random) -> Pair | None:
    """The first of a few changes of that kind that makes a pair."""
    for change in islice(TRANSFORMATIONS[kind].changes(source, rng), N_CHANGES):
        start, end = select(source, change, rng)
        new = source.text[start:end]
        pair = Pair(kind=kind, start=start, end=end, old=apply(new, change.edits, start), new=new, facts=change.facts)
        if _is_fit(pair) and _parses(pair.before(source.text)):
            return pair
    return None


def _is_fit(pair: Pair) -> bool:
    """Neither side empty or too long, and not the same."""
    return all(0 < len(text.strip()) <= len(text) <= MAX_SELECTION for text in (pair.old, pair.new)) and (
        pair.old != pair.new
    )


def select(source: Source, change: Change, rng: Random) -> tuple[int, int]:
    """Whole lines that hold the change: the function around it or a few lines, as a person might select them.

    The last line's break stays outside.
    """
    first, last = min(edit.start for edit in change.edits), max(edit.end for edit in change.edits)
    start, end = source.line_start(first), source.line_end(last)
    around = [
        (min(own[0], start), max(own[1] - 1, end))
        for function in source.nodes(*FUNCTIONS)
        if (own := source.lines(function))[0] <= last and own[1] >= first
    ]
    fitting = [(a, b) for a, b in around if b - a <= MAX_SELECTION * 3 // 4]
    if fitting and rng.random() < 0.6:
        return rng.choice(fitting)
    for _ in range(rng.randrange(4)):
        start, end = _widened(source, start, end, rng)
    while not apply(source.text[start:end], change.edits, start).strip() and (start, end) != (0, len(source.text)):
        start, end = _widened(source, start, end, rng)
    return start, end


def _widened(source: Source, start: int, end: int, rng: Random) -> tuple[int, int]:
    """One line more at either side."""
    if rng.random() < 0.5 and start > 0:
        return source.line_start(start - 1), end
    return start, source.line_end(min(end + 1, len(source.text)))


def _parses(text: str) -> bool:
    try:
        Source(text)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True


_WEIGHTS = {
    **dict.fromkeys(("debug_prints", "unused_variable", "literals", "dead_code"), 0.4),
    **dict.fromkeys(("type_hints", "docstring", "error_handling", "rename", "bug", "comprehension", "f_string"), 2.0),
    **dict.fromkeys(("return_type", "named_constant", "logging", "variable_type", "decorator"), 3.0),
    **dict.fromkeys(("use_logger", "any_or_all", "isinstance_of_several", "off_by_one", "chained_comparison"), 9.0),
    **dict.fromkeys(("bare_super", "boolean_return", "augmented_assignment"), 8.0),
    **dict.fromkeys(("yield_from", "context_manager", "encoding", "enumerated", "dict_items", "raise_from"), 6.0),
}
"""How much earlier than others a kind is tried: first what few files offer, last what nearly all do."""
