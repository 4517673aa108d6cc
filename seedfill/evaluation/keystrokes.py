"""What a person types, and how fast: regions of files to be retyped, keys, and the pauses between them."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

MIDDLE_SHARE = 2 / 3
"""Of the keys: what is retyped in the middle of a file; the rest continues a file at its end."""
MAX_LINES = 6
"""Of a region in the middle."""
MAX_END_KEYS = 400
"""Of one continuation."""

KEY_S, KEY_SIGMA = 0.2, 0.5
"""Median and spread of the log-normal time between two keys: a mean of 0.23 s, that of 168,000 people in Dhakal et
al., "Observations on Typing from 136 Million Keystrokes" (CHI 2018)."""
LINE_S, LINE_SIGMA = 0.9, 0.6
"""The same at the start of a line, where a person thinks."""

_STROKE = re.compile(r"\n[ \t]*|.", re.DOTALL)


class File(NamedTuple):
    """A file to retype; `language` is its name in editors."""

    name: str
    language: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """One stretch of typing: `target` is typed, key by key, between `before` and `after`."""

    file: File
    before: str
    target: str
    after: str
    beyond: str = ""
    """What the file goes on with where it is continued at its end, and the keys are at an end."""


def strokes(text: str) -> list[str]:
    """`text` as keys. A new line's indentation comes with its key, as editors indent by themselves."""
    return _STROKE.findall(text)


def pause_s(rng: random.Random, previous: str) -> float:
    """Seconds before the next key, after `previous`."""
    median, sigma = (LINE_S, LINE_SIGMA) if previous.startswith("\n") or not previous else (KEY_S, KEY_SIGMA)
    return median * math.exp(rng.gauss(0, sigma))


def sessions(files: Sequence[File], n_keys: int, seed: int) -> list[Session]:
    """Stretches of typing of `n_keys` keys; two thirds of them in the middle of `files`."""
    rng = random.Random(seed)
    files = [file for file in files if file.text.strip()]
    n_middle = round(n_keys * MIDDLE_SHARE)
    shares = zip(files, _shares(n_middle, len(files)), _shares(n_keys - n_middle, len(files)), strict=True)
    return [
        session
        for file, middle, end in shares
        for session in (*_in_the_middle(file, middle, rng), *_at_the_end(file, end, rng))
    ]


def _shares(total: int, n: int) -> list[int]:
    return [total * (i + 1) // n - total * i // n for i in range(n)]


def _in_the_middle(file: File, n_keys: int, rng: random.Random) -> Iterator[Session]:
    """Each region deleted from the whole file; together they are typed with `n_keys` keys."""
    text = file.text
    while n_keys > 0:
        start, end = _region(text, rng)
        target = "".join(strokes(text[start:end])[:n_keys])
        n_keys -= len(strokes(target))
        yield Session(file=file, before=text[:start], target=target, after=text[start + len(target) :])


def _at_the_end(file: File, n_keys: int, rng: random.Random) -> Iterator[Session]:
    """The file up to a line in its second half, and on from there."""
    text = file.text
    starts = [match.end() for match in re.finditer(r"\n(?=[ \t]*\S)", text)] or [0]
    while n_keys > 0:
        start = rng.choice(starts[len(starts) // 2 :])
        target = "".join(strokes(text[start:])[: min(n_keys, MAX_END_KEYS)])
        n_keys -= len(strokes(target))
        yield Session(file=file, before=text[:start], target=target, after="", beyond=text[start + len(target) :])


def _region(text: str, rng: random.Random) -> tuple[int, int]:
    """A stretch that ends with a line, or as often one inside of a line."""
    lines = [match.span() for match in re.finditer(r"[^\s].*", text)]
    first = rng.randrange(len(lines))
    start, end = lines[first]
    if rng.random() < 0.5:
        start = rng.randrange(start, end)
        return start, rng.choice((end, rng.randrange(start + 1, end + 1)))
    last = min(first + rng.randrange(MAX_LINES), len(lines) - 1)
    return start, lines[last][1]
