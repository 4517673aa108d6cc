"""Clients take turns, not requests."""

from __future__ import annotations

import pytest

from sampler.engine.job import Job
from sampler.engine.turns import Turns, alternating
from sampler.protocol.messages import InfillRequest


def jobs(*documents: str) -> list[Job]:
    return [Job(InfillRequest(document=name, pieces=("", "")), lambda _: None) for name in documents]


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        (["1 a", "1 b", "1 c", "2 a"], ["1 a", "2 a", "1 b", "1 c"]),
        (["1 a", "2 a", "1 b", "2 b", "3 a"], ["1 a", "2 a", "3 a", "1 b", "2 b"]),
        (["1 a", "edit 1 b", "2 a"], ["1 a", "2 a", "edit 1 b"]),
        (["1 a"], ["1 a"]),
    ],
)
def test_the_client_served_longest_ago_comes_first(asked: list[str], served: list[str]) -> None:
    waiting, turns, order = jobs(*asked), Turns(), list[str]()
    while waiting:
        job = turns.first(waiting)
        waiting.remove(job)
        order.append(job.request.document)
    assert order == served


def test_one_who_asks_ten_times_as_often_is_served_as_often() -> None:
    turns, counts = Turns(), {"1": 0, "2": 0}
    for _ in range(100):
        job = turns.first(jobs(*["1 a"] * 10, "2 a"))
        counts[job.client] += 1
    assert counts == {"1": 50, "2": 50}


def test_a_round_takes_one_of_each_client_before_a_second_of_any() -> None:
    order = [job.request.document for job in alternating(jobs("1 a", "1 b", "1 c", "2 a", "3 a", "3 b"))]
    assert order == ["1 a", "2 a", "3 a", "1 b", "3 b", "1 c"]
