"""Pieces of other files that help at a cursor: definitions of the names near it, ranked and bounded.

Candidates come from files that are open or were edited lately and from those that the document imports. A piece is
the head of a definition and the lines right below it. Names that stand close to the cursor, and often, count most;
names that the document defines itself count nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import PurePath
from typing import NamedTuple

from sampler.protocol.messages import Snippet

MAX_SNIPPETS = 4
MAX_LINES = 10
SNIPPET_CHARACTERS = 300
"""Of one piece: training shows 100 to 500."""

NEAR_BEFORE = 1200
NEAR_AFTER = 400
"""Characters around the cursor whose names count."""

MAX_CHARACTERS = 400_000
"""A file that is longer is not searched."""

_DEFINITION = re.compile(
    r"^([ \t]*)(?:(?:export|default|public|private|protected|static|abstract|async|pub)[ \t]+)*"
    r"(?:def|class|function|func|fn|interface|struct|enum|trait|type)[ \t]+(\w+)",
    re.M,
)
_NAME = re.compile(r"[^\W\d]\w{2,}")


class Neighbour(NamedTuple):
    """Another file of the project, as it is now."""

    path: PurePath
    text: str


class Definition(NamedTuple):
    """Where a name is defined: the lines of its head and a few below."""

    name: str
    text: str


def pick(before: str, after: str, neighbours: Iterable[Neighbour]) -> tuple[Snippet, ...]:
    """At most `MAX_SNIPPETS` pieces of `neighbours` for the cursor between two texts, the best one last.

    Last is nearest to the document. A name counts the less the more often it is defined; of its definitions the
    first is taken.
    """
    weights = _weights(before, after)
    for own in _found(before[-MAX_CHARACTERS // 2 :] + after[: MAX_CHARACTERS // 2]):
        weights.pop(own[2], None)
    found: dict[str, list[Snippet]] = {}
    for path, text in neighbours:
        for name, excerpt in definitions(text) if len(text) <= MAX_CHARACTERS else ():
            if name in weights:
                found.setdefault(name, []).append(Snippet(path=path.name, text=excerpt))
    best = sorted(found, key=lambda name: weights[name] / len(found[name]))[-MAX_SNIPPETS:]
    return tuple(found[name][0] for name in best)


def snippets_cost(snippets: Iterable[Snippet]) -> int:
    """How many characters `snippets` take from the budget of the document."""
    return sum(len(snippet.path) + len(snippet.text) + 2 for snippet in snippets)


@lru_cache(maxsize=64)
def definitions(text: str) -> tuple[Definition, ...]:
    """All definitions in a text, in order."""
    return tuple(Definition(found[2], _excerpt(text, found.start(), len(found[1]))) for found in _found(text))


def _found(text: str) -> Iterator[re.Match[str]]:
    return _DEFINITION.finditer(text)


def _excerpt(text: str, start: int, indent: int) -> str:
    """The definition from `start` on, up to the first line that is indented no more, without its indentation."""
    lines = text[start : start + 2 * SNIPPET_CHARACTERS].split("\n")[:MAX_LINES]
    kept = [lines[0]]
    for line in lines[1:]:
        if line.strip() and len(line) - len(line.lstrip()) <= indent and line.strip()[0] not in ")]}":
            break
        kept.append(line)
    own = "\n".join(line[indent:] for line in kept).rstrip()
    return (
        own
        if len(own) <= SNIPPET_CHARACTERS
        else own[: own.rfind("\n", 0, SNIPPET_CHARACTERS) + 1 or SNIPPET_CHARACTERS]
    )


def _weights(before: str, after: str) -> dict[str, float]:
    """The names near the cursor, each with how near and how often it stands there."""
    weights: dict[str, float] = {}
    near = before[-NEAR_BEFORE:]
    for found in _NAME.finditer(near):
        weights[found[0]] = weights.get(found[0], 0.0) + 1 / (1 + (len(near) - found.end()) / 200)
    for found in _NAME.finditer(after[:NEAR_AFTER]):
        weights[found[0]] = weights.get(found[0], 0.0) + 0.5 / (1 + found.start() / 200)
    return weights
