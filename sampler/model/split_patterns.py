"""Whether a tokenizer's pattern finds where to cut a text in a time that anybody waits for.

A matcher that backtracks takes a power of a line's length, and where repetitions are nested more than any power. What
tokenizers are published with repeats classes of letters, two at most behind each other; anything beyond is refused.
"""

from __future__ import annotations

import re

MAX_CHARACTERS = 4096
MAX_REPEATED = 2
"""Repetitions in one alternative."""
MAX_TIMES = 16
"""More than that many times is a repetition."""

_REFERENCE = re.compile(r"\\[1-9kg]|\(\?(?:R|P[>=]|&|\d|\(|<?~)")
"""To what was matched before, or to the pattern itself."""
_ONE = re.compile(r"\\[pP]\{[^}]*\}|\\.|\[(?:\\.|[^\]\\])*\]", re.DOTALL)
"""One letter: escaped, or of a class."""
_SIGN = re.compile(r"[*+?]\+?|\{\d*(?P<open>,?)(?P<times>\d*)\}|[()|]")


def is_quick(pattern: str) -> bool:
    """Whether a pattern repeats single letters alone, and few of them."""
    if len(pattern) > MAX_CHARACTERS or _REFERENCE.search(pattern):
        return False
    signs = _ONE.sub("a", pattern)
    depth = n_repeated = 0
    for sign in _SIGN.finditer(signs):
        if sign[0] in "()":
            depth += 1 if sign[0] == "(" else -1
        elif sign[0] == "|":
            n_repeated = n_repeated if depth else 0
        elif _repeats(sign, signs[: sign.start()]):
            n_repeated += 1
            if depth or n_repeated > MAX_REPEATED or signs[: sign.start()].endswith((")", "*", "+", "}")):
                return False
    return True


def _repeats(sign: re.Match[str], before: str) -> bool:
    if sign[0].startswith("{"):
        return before.endswith(")") or bool(sign["open"]) and (not sign["times"] or int(sign["times"][:9]) > MAX_TIMES)
    return not sign[0].startswith("?")
