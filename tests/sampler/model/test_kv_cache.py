"""What a new context can take from an old one, and why not more."""

from __future__ import annotations

import pytest
import torch

from sampler.model.kv_cache import ContextSlot, KeyValues, SlotCache, Tail, common_prefix

HEADER, SUFFIX, PREFIX, MIDDLE = list(range(10)), list(range(100, 120)), list(range(200, 240)), [1]


def values(n: int) -> KeyValues:
    rows = torch.arange(n, dtype=torch.float32).view(1, 1, n, 1).expand(2, 3, n, 4)
    return KeyValues(rows, rows + 0.5)


def slot(header: list[int] = HEADER, suffix: list[int] = SUFFIX, prefix: list[int] = PREFIX) -> ContextSlot:
    parts = [("header", header), ("suffix", suffix), ("prefix", prefix), ("middle", MIDDLE)]
    tokens = [token for _, part in parts for token in part]
    return ContextSlot(tokens, [(name, len(part)) for name, part in parts], values(len(tokens)), torch.zeros(4))


@pytest.mark.parametrize(
    ("changed", "n_tokens", "miss"),
    [
        (slot(), 71, "none"),
        (slot(prefix=[*PREFIX, 300]), 70, "none"),
        (slot(prefix=PREFIX[:-1]), 69, "none"),
        (slot(prefix=[*PREFIX[:-1], 300]), 69, "none"),
        (slot(prefix=[*PREFIX, *range(300, 400)]), 70, "none"),
        (slot(prefix=[300, *PREFIX]), 30, "prefix"),
        (slot(suffix=[300, *SUFFIX[1:]]), 10, "suffix"),
        (slot(suffix=[*SUFFIX, 300]), 30, "suffix"),
        (slot(header=[*HEADER, 300]), 10, "snippets"),
        (slot(header=[300, *HEADER]), 0, "snippets"),
    ],
)
def test_reuse_is_the_common_prefix_and_names_the_part_that_changed(
    changed: ContextSlot, n_tokens: int, miss: str
) -> None:
    cache = SlotCache()
    cache.keep("a", slot())
    reuse = cache.find("a", changed.tokens, changed.parts)
    assert (reuse.n_tokens, reuse.miss) == (n_tokens, miss)


def test_an_unknown_document_is_cold_and_a_dropped_one_evicted() -> None:
    one = slot()
    cache = SlotCache(budget_bytes=2 * one.key_values.n_bytes)
    assert cache.find("a", one.tokens, one.parts).miss == "cold"
    for name in "ab":
        cache.keep(name, slot())
    cache.find("a", one.tokens, one.parts)  # now b is the longest unused
    cache.keep("c", slot())
    assert [cache.find(name, one.tokens, one.parts).miss for name in "abc"] == ["none", "evicted", "none"]
    assert cache.n_bytes <= cache.budget_bytes
    cache.clear()
    assert cache.find("a", one.tokens, one.parts).miss == "evicted" and len(cache) == 0


def test_the_newest_context_stays_even_above_the_budget() -> None:
    cache = SlotCache(budget_bytes=1)
    cache.keep("a", slot())
    assert cache.find("a", slot().tokens, slot().parts).n_tokens == 71


def test_a_tail_grows_by_what_is_committed() -> None:
    tail = Tail()
    assert tail.past == ()
    tail.append(values(3))
    tail.append(values(5).take(torch.tensor([1, 4])))
    (past,) = tail.past
    assert past.keys[0, 0, :, 0].tolist() == [0, 1, 2, 1, 4]
    assert past.values[1, 2, :, 3].tolist() == [0.5, 1.5, 2.5, 1.5, 4.5]


@pytest.mark.parametrize(
    ("a", "b", "n"), [([], [1], 0), ([1, 2], [1, 2, 3], 2), ([1, 2, 3], [1, 9, 3], 1), ([1], [1], 1)]
)
def test_common_prefix(a: list[int], b: list[int], n: int) -> None:
    assert common_prefix(a, b) == n
