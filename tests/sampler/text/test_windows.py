"""Windows hold what is near the cursor, begin and end at lines, and stay put while one types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.text.windows import prefix_window, suffix_window

BUDGET = 40
documents = st.text(st.sampled_from("ab \n"), max_size=300)


@given(documents, st.integers(0, 300))
def test_windows_are_parts_of_the_text_within_the_budget(text: str, budget: int) -> None:
    assert text.endswith(prefix_window(text, budget))
    assert text.startswith(suffix_window(text, budget))
    assert max(len(prefix_window(text, budget)), len(suffix_window(text, budget))) <= budget


@given(documents)
def test_a_short_text_is_shown_whole(text: str) -> None:
    assert prefix_window(text, len(text)) == suffix_window(text, len(text)) == text


@given(documents)
def test_a_window_uses_at_least_half_of_its_budget(text: str) -> None:
    assert len(prefix_window(text, BUDGET)) >= min(len(text), BUDGET // 2)
    assert len(suffix_window(text, BUDGET)) >= min(len(text), BUDGET * 3 // 4)


@given(documents, st.text(st.sampled_from("xy\n"), max_size=60))
def test_typing_moves_the_start_at_most_once_every_quarter_of_the_budget(text: str, typed: str) -> None:
    starts = [len(text + typed[:n]) - len(prefix_window(text + typed[:n], BUDGET)) for n in range(len(typed) + 1)]
    assert starts == sorted(starts)
    assert len(set(starts)) <= len(typed) // (BUDGET // 4) + 2


LINES = "".join(f"line {n:03}\n" for n in range(20))


def test_windows_prefer_whole_lines_to_the_full_budget() -> None:
    assert prefix_window(LINES, BUDGET) == "".join(LINES.splitlines(keepends=True)[-4:])
    assert suffix_window(LINES, BUDGET) == "".join(LINES.splitlines(keepends=True)[:4])


@pytest.mark.parametrize("text", ["x" * 100, "\n" + "x" * 100, "x" * 100 + "\n"])
def test_a_long_line_is_cut_rather_than_given_up(text: str) -> None:
    assert suffix_window(text, BUDGET) == text[:BUDGET]
    assert len(prefix_window(text, BUDGET)) > BUDGET * 3 // 4 - 1
