"""What of a file the sampler is asked for, and what its fills become: holes in groups, windows, line endings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sampler.protocol.messages import Candidate, InfillRequest, InfillResult
from sampler.text.hole_groups import GROUP_CHARACTERS, GROUP_HOLES, hole_groups
from sampler.text.windows import PREFIX_CHARACTERS, SUFFIX_CHARACTERS
from seedfill.errors import Refused
from seedfill.filling import FillOptions, fill_cursor, fill_holes
from seedfill.source import SourceFile


class CountingSampler:
    """Fills holes with <0>, <1>, … over all requests, and remembers what it was asked."""

    def __init__(self, fill: str = "<{}>") -> None:
        self.requests: list[InfillRequest] = []
        self._fill, self._n_filled = fill, 0

    async def infill(self, request: InfillRequest) -> InfillResult:
        self.requests.append(request)
        numbers = range(self._n_filled, self._n_filled + len(request.pieces) - 1)
        self._n_filled = numbers.stop
        fills = tuple(self._fill.format(number) for number in numbers)
        best = Candidate(fills=fills, tokens=1, forwards=1, confidence=0.5, finish="end")
        return InfillResult(
            candidates=(best,), model="m", device="cpu", ms=1, load_ms=0, tokens_computed=1, cache_miss="cold"
        )


def source(text: str, name: str = "a.py") -> SourceFile:
    return SourceFile(path=Path(name), text=text, encoding="utf-8", byte_order_mark=b"", raw=text.encode())


@pytest.mark.parametrize("n_holes", [1, 2, GROUP_HOLES, GROUP_HOLES + 1, 3 * GROUP_HOLES])
def test_holes_are_filled_in_document_order(n_holes: int) -> None:
    sampler = CountingSampler()
    text = "".join(f"x{i} = ▢\n" for i in range(n_holes))
    filled = asyncio.run(fill_holes(sampler, source(text), "▢", FillOptions()))
    assert filled.text == "".join(f"x{i} = <{i}>\n" for i in range(n_holes))
    assert [hole.text for hole in filled.holes] == [f"<{i}>" for i in range(n_holes)]
    assert [text[hole.offset] for hole in filled.holes] == ["▢"] * n_holes
    assert len(sampler.requests) == -(-n_holes // GROUP_HOLES)
    assert not any("▢" in piece for request in sampler.requests for piece in request.pieces)


def test_a_later_group_sees_what_earlier_ones_became() -> None:
    sampler = CountingSampler()
    text = "".join(f"x{i} = ▢\n" for i in range(GROUP_HOLES + 1))
    asyncio.run(fill_holes(sampler, source(text), "▢", FillOptions()))
    assert sampler.requests[0].pieces[-1] == f"\nx{GROUP_HOLES} = \n"
    assert sampler.requests[1].pieces == (
        "".join(f"x{i} = <{i}>\n" for i in range(GROUP_HOLES)) + f"x{GROUP_HOLES} = ",
        "\n",
    )


def test_holes_far_apart_are_filled_apart() -> None:
    near, far = "b" * 10, "c" * (GROUP_CHARACTERS + 1)
    assert hole_groups(["a", near, far, near, "d"]) == [range(0, 2), range(2, 4)]
    assert hole_groups(["a", far, far, "d"]) == [range(0, 1), range(1, 2), range(2, 3)]


def test_requests_stay_within_the_windows() -> None:
    sampler = CountingSampler()
    line = "x = 1\n" * 3000
    text = f"{line}▢{'y' * 600}▢{'z' * 300}▢{line}"
    asyncio.run(fill_holes(sampler, source(text), "▢", FillOptions()))
    (request,) = sampler.requests
    assert len(request.pieces) == 4
    assert sum(map(len, request.pieces)) <= PREFIX_CHARACTERS + SUFFIX_CHARACTERS


def test_a_file_without_holes_is_refused() -> None:
    with pytest.raises(Refused, match="nothing to fill"):
        asyncio.run(fill_holes(CountingSampler(), source("x = 1\n"), "▢", FillOptions()))


def test_the_model_reads_plain_newlines_and_the_file_keeps_its_own() -> None:
    sampler = CountingSampler("1\n{}")
    filled = asyncio.run(fill_holes(sampler, source("a\r\nb = ▢\r\n"), "▢", FillOptions()))
    assert sampler.requests[0].pieces == ("a\nb = ", "\n")
    assert filled.text == "a\r\nb = 1\r\n0\r\n"


def test_a_cursor_asks_for_what_stands_around_it() -> None:
    sampler = CountingSampler()
    options = FillOptions(n_candidates=3, max_tokens=9, seed=7, model="other")
    asyncio.run(fill_cursor(sampler, source("ab\r\ncd", "dir/a.py"), 4, options))
    (request,) = sampler.requests
    assert request.pieces == ("ab\n", "cd")
    assert (request.language, request.path) == ("python", "a.py")
    assert (request.n_candidates, request.max_tokens, request.seed, request.model) == (3, 9, 7, "other")


@pytest.mark.parametrize(
    ("name", "text", "language"),
    [
        ("a.py", "", "python"),
        ("a.PYI", "", "python"),
        ("tool", "#!/usr/bin/env python3\n", "python"),
        ("a.js", "", "javascript"),
        ("tool", "#!/bin/sh\n", "plaintext"),
    ],
)
def test_the_language_is_told_by_name_or_first_line(name: str, text: str, language: str) -> None:
    assert source(text, name).language == language


def test_a_hole_is_tried_once_more_by_itself_and_stays_where_nothing_fits() -> None:
    sampler = CountingSampler()
    drop = {"<0>", "<2>", "<3>"}
    fitting = lambda written, before, after, language: "" if written in drop else written  # noqa: E731
    filled = asyncio.run(fill_holes(sampler, source("a = ▢\nb = ▢\n"), "▢", FillOptions(), fitting))
    assert filled.text == "a = ▢\nb = <1>\n"
    assert [hole.is_open for hole in filled.holes] == [True, False]
    assert sampler.requests[1].pieces == ("a = ", "\nb = \n")
