"""V of on-policy learning (paper section 3.3): how good a finished fill is, from 0 to 1.

A fill counts by whether the file parses with it, whether it keeps the names that the rest of the file needs of it,
what the model's own causal reading thinks of it, and the task's tests where there are any. A collapsed fill is worth
nothing, however well it does otherwise: fewer steps are most easily had by writing nothing, little, or the same again.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from seedfill.evaluation.execution import run_program
from seedfill.training.data.prompts import Prompt

_WORD = re.compile(r"[^\W\d]\w*")
_INTRODUCED = re.compile(r"\b(?:def|class|as|for|import)\s+([^\W\d]\w*)")
_ASSIGNED = re.compile(r"^[ \t]*((?:[^\W\d]\w*[ \t]*,[ \t]*)*[^\W\d]\w*)[ \t]*(?::[^=\n]+)?=(?!=)", re.MULTILINE)
MAX_PERIOD = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Verifier:
    """What each part of V weighs, and when a fill counts as collapsed."""

    parses: float = 1.0
    names: float = 0.5
    own: float = 0.5
    tests: float = 2.0
    guards: bool = True
    least_share: float = 0.34
    """A fill of fewer tokens than this share of what stood there is too short."""
    most_repeats: int = 3
    """A stretch that stands more often than this in a row, and more often than in what stood there, is a loop."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """V of one fill, and what it is made of; `passes_tests` is None where there are none."""

    score: float
    parses: bool
    keeps_names: bool
    is_collapsed: bool
    passes_tests: bool | None = None

    @property
    def passes(self) -> bool:
        """The pass rate counts fills that parse, keep names, pass their tests, and are none of the degenerate ones."""
        return self.parses and self.keeps_names and not self.is_collapsed and self.passes_tests is not False


def verify(verifier: Verifier, prompt: Prompt, fill: str, tokens: Sequence[int], log_probs: Sequence[float]) -> Verdict:
    """Judge a fill: its text, its tokens (the end token included), their causal log-probabilities."""
    is_collapsed = collapsed(verifier, tokens, prompt.gold)
    if is_collapsed and verifier.guards:
        return Verdict(0.0, False, False, True)
    whole = prompt.filled(fill)
    does_parse = parses(whole)
    kept = needed_names(prompt) <= bound_names(fill)
    own = math.exp(sum(log_probs) / max(len(log_probs), 1))
    parts = [(verifier.parses, float(does_parse)), (verifier.names, float(kept)), (verifier.own, own)]
    passes_tests = None
    if prompt.tests:
        passes_tests = does_parse and run_program(prompt.tests.replace("{whole}", whole)) == "passed"
        parts.append((verifier.tests, float(passes_tests)))
    score = sum(weight * value for weight, value in parts) / sum(weight for weight, _ in parts)
    return Verdict(score, does_parse, kept, is_collapsed, passes_tests)


def collapsed(verifier: Verifier, tokens: Sequence[int], gold: Sequence[int]) -> bool:
    """Whether a fill is empty or far too short for its place, or goes round in circles."""
    if len(tokens) <= 1 or len(tokens) < verifier.least_share * len(gold):
        return True
    return repeats(tokens) > max(verifier.most_repeats, repeats(gold))


def repeats(tokens: Sequence[int]) -> int:
    """The most times in a row that a stretch of at most eight tokens stands in `tokens`."""
    most = 1
    for period in range(1, min(MAX_PERIOD, len(tokens) // 2) + 1):
        run = 0
        for i in range(period, len(tokens)):
            run = run + 1 if tokens[i] == tokens[i - period] else 0
            most = max(most, run // period + 1)
    return most


def parses(text: str) -> bool:
    """Whether `text` is Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape is a warning of the file's, not ours
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def bound_names(text: str) -> set[str]:
    """Names that a piece of code, which need not parse by itself, defines, imports or assigns."""
    assigned = (name for targets in _ASSIGNED.findall(text) for name in _WORD.findall(targets))
    return {*_INTRODUCED.findall(text), *assigned}


def needed_names(prompt: Prompt) -> set[str]:
    """Names that what stood in the span bound, nothing before it did, and what follows reads."""
    bound = bound_names(prompt.text[prompt.start : prompt.end]) - bound_names(prompt.text[: prompt.start])
    return bound & set(_WORD.findall(prompt.text[prompt.end :]))
