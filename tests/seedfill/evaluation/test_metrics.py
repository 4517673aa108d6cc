"""Figures are what their names say, and None where nothing was measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedfill.evaluation.metrics import edit_similarity, levenshtein, mean, parses, percentile, rate, ratio

texts = st.text(alphabet="abc", max_size=12)


@pytest.mark.parametrize(
    ("a", "b", "distance", "similarity"),
    [
        ("", "", 0, 1.0),
        ("", "ab", 2, 0.0),
        ("kitten", "sitting", 3, 1 - 3 / 7),
        ("ab", "ba", 2, 0.0),
        ("x", "x", 0, 1.0),
    ],
)
def test_edit_similarity(a: str, b: str, distance: int, similarity: float) -> None:
    assert levenshtein(a, b) == distance
    assert edit_similarity(a, b) == pytest.approx(similarity)


@given(texts, texts, texts)
def test_levenshtein_is_a_distance(a: str, b: str, c: str) -> None:
    assert levenshtein(a, b) == levenshtein(b, a)
    assert (levenshtein(a, b) == 0) == (a == b)
    assert levenshtein(a, c) <= levenshtein(a, b) + levenshtein(b, c)


@pytest.mark.parametrize(
    ("whole", "completion", "gold", "expected"),
    [
        ("x = 1\n", "1", "1", True),
        ("x = \n", "", "1", False),
        ("x = 1\n", "", "1", False),
        ("x = 1\n", "", "", True),
        ("x = '\\d'\n", "'\\d'", "1", True),
        ("x = (\n", "(", "1", False),
        ("x = \0\n", "\0", "1", False),
        ("(" * 5000, "(" * 5000, "1", False),
        ("x = '\ud800'", "'\ud800'", "1", False),
    ],
)
def test_parses(whole: str, completion: str, gold: str, expected: bool) -> None:
    assert parses(whole, completion=completion, gold=gold) is expected


def test_what_was_not_measured_is_none() -> None:
    assert rate([None, True, False, None, True]) == pytest.approx(2 / 3)
    assert rate([None]) is None
    assert mean([]) is None
    assert ratio(3, 0) is None
    assert percentile([], 50) is None
    assert percentile([1.0, 2.0, 4.0], 50) == 2.0
