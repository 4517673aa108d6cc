"""Drafts are what followed the last two tokens, or the last, at the latest place where they stood before."""

from __future__ import annotations

import pytest

from sampler.decoding.drafters import MOST, MOST_IN_ALL, Lookup, most_for


@pytest.mark.parametrize(
    ("context", "written", "draft"),
    [
        ([], [], []),
        ([7], [], []),
        ([1, 2], [], []),
        ([1, 2, 3, 1, 2], [], [3, 1, 2]),
        ([1, 2, 3, 4, 5, 6, 7, 8, 1], [2], [3, 4, 5, 6, 7, 8, 1, 2]),
        ([1, 2, 3, 9, 1, 2, 4, 9], [1, 2], [4, 9, 1, 2]),
        ([1, 2, 3], [2, 2], [2]),
        ([1, 2, 3, 4, 9], [2], [3, 4, 9, 2]),
        ([1, 2, 5, 7, 2, 6, 1], [2], [5, 7, 2, 6, 1, 2]),
        ([5], [5, 5], [5]),
        ([1], [2, 3, 1, 2], [3, 1, 2]),
    ],
)
def test_a_draft(context: list[int], written: list[int], draft: list[int]) -> None:
    assert Lookup(context).draft(written) == draft


def test_a_row_that_grows_is_read_as_if_it_had_always_been_that_long() -> None:
    context, written = [3, 1, 4, 1, 5], [9, 2, 6, 3, 1, 4, 1, 3, 1]
    growing = Lookup(context)
    for n in range(len(written) + 1):
        found = growing.draft(written[:n])
        assert found == Lookup([*context, *written[:n]]).draft([]) and len(found) <= MOST


def test_drafts_share_the_room() -> None:
    assert most_for(1) == MOST and all(1 <= most_for(n) <= MOST for n in range(1, 100))
    assert all(n * most_for(n) <= max(MOST_IN_ALL, n) for n in range(1, 100))
    lookup = Lookup([*range(20), 0])
    assert len(lookup.draft([])) == MOST
    lookup.most = 2
    assert len(lookup.draft([])) == 2
