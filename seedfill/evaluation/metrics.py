"""Figures over answered tasks: pure functions of texts and counts. Rates are fractions, None where not measurable."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Sequence

import numpy as np


def edit_similarity(a: str, b: str) -> float:
    """1 − Levenshtein distance over the longer length, by characters; two empty texts are alike."""
    longest = max(len(a), len(b))
    return 1.0 - levenshtein(a, b) / longest if longest else 1.0


def levenshtein(a: str, b: str) -> int:
    """The least number of inserted, deleted and replaced characters that turns `a` into `b`."""
    row = list(range(len(b) + 1))
    for i, character in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(diagonal + (character != other), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def parses(whole: str, *, completion: str, gold: str) -> bool:
    """Whether the Python file parses; an empty completion does not count unless the gold is empty too."""
    if not completion and gold:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarning: the model's taste is not the question
            ast.parse(whole)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # all that the parser says to bad text
        return False
    return True


def rate(outcomes: Iterable[bool | None]) -> float | None:
    """The share of True among those that could be measured."""
    return mean(float(outcome) for outcome in outcomes if outcome is not None)


def mean(values: Iterable[float]) -> float | None:
    """The arithmetic mean."""
    known = list(values)
    return sum(known) / len(known) if known else None


def ratio(numerator: float, denominator: float) -> float | None:
    """One over the other."""
    return numerator / denominator if denominator else None


def percentile(values: Sequence[float], percent: float) -> float | None:
    """By linear interpolation between the two nearest values."""
    return float(np.percentile(values, percent)) if values else None
