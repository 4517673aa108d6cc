"""How long the server waits: shorter where a person pauses, longer where they type on, earlier for a slow sampler."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.completion.debounce import LEAST_S, MOST_S, USUAL_GAP_S, Debounce, debounce_s, eagerness

seconds = st.floats(0, 100)


def test_places_from_the_most_to_the_least_welcome() -> None:
    start, trigger, end, word, inside = (
        eagerness(*sides) for sides in (("    ", ""), ("f(", ""), ("f()", " "), ("na", ""), ("f(", ", x)"))
    )
    assert start == trigger < end < word == inside


@given(seconds, seconds, st.floats(0.1, 3))
def test_a_wait_is_never_none_nor_long(gap: float, latency: float, n_gaps: float) -> None:
    assert LEAST_S <= debounce_s(gap, latency, n_gaps) <= MOST_S


def test_the_answer_is_timed_not_the_question() -> None:
    assert debounce_s(0.2, 0.15, 1.0) == pytest.approx(0.05)
    assert debounce_s(0.2, 0.05, 1.0) == pytest.approx(0.15)


def test_a_sampler_slower_than_the_person_is_not_asked_at_once() -> None:
    assert debounce_s(0.2, 0.8, 1.0) == 0.1


def test_a_fast_typist_waits_less() -> None:
    slow, fast = Debounce(), Debounce()
    for n in range(50):
        slow.key(n * 0.4)
        fast.key(n * 0.1)
    assert fast.wait_s("f()", "") < slow.wait_s("f()", "")


def test_a_pause_says_nothing_of_speed() -> None:
    debounce = Debounce()
    for n in range(50):
        debounce.key(n * 60.0)
    assert debounce.gap_s == USUAL_GAP_S


def test_latency_is_an_ema() -> None:
    debounce = Debounce()
    debounce.answered(0.1)
    assert debounce.latency_s == 0.1
    debounce.answered(0.2)
    assert 0.1 < (debounce.latency_s or 0) < 0.2
