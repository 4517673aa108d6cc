"""How sure a model is of a whole text, rather than of its tokens one by one."""

from __future__ import annotations


def certainty(confidence: float, n_tokens: float) -> float:
    """How likely all of `n_tokens` are right, 0 to 1, where each of them is so with `confidence` on average.

    The mean over the tokens says little: of ten that are each right nine times in ten, all are right one time in three,
    and text that a model knows by heart, line after line, has a high mean wherever it stands.
    """
    return float(confidence ** max(n_tokens, 1.0))
