import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedfill.training.objectives.corrupt import OPERATIONS, EditNoise, corrupt, repair

MASK, DELETE, EXPAND = 1, 2, 3
TOKENS = st.lists(st.integers(10, 30), min_size=1, max_size=40)


def _corrupt(tokens: list[int], n_edits: int, seed: int, noise: EditNoise | None = None):  # type: ignore[no-untyped-def]
    return corrupt(
        tokens,
        n_edits,
        noise or EditNoise(),
        random.Random(seed),
        lambda rng: rng.randrange(31, 50),
        delete_id=DELETE,
        expand_id=EXPAND,
    )


def _levenshtein(a: list[int], b: list[int]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


@given(TOKENS, st.integers(0, 8), st.integers(0, 1000))
def test_distance_is_at_most_the_number_of_edits(tokens: list[int], n_edits: int, seed: int) -> None:
    assert _levenshtein(_corrupt(tokens, n_edits, seed).tokens, tokens) <= n_edits


@given(TOKENS, st.integers(0, 8), st.integers(0, 1000))
def test_one_round_of_repair_leaves_only_masks_and_tokens_behind_them_to_do(
    tokens: list[int], n_edits: int, seed: int
) -> None:
    corrupted = _corrupt(tokens, n_edits, seed)
    after = repair(corrupted.tokens, corrupted.targets, mask_id=MASK, delete_id=DELETE, expand_id=EXPAND)
    n_gaps = corrupted.targets.count(EXPAND)
    assert after.count(MASK) == n_gaps
    if n_gaps == 0:
        assert after == tokens
    assert _levenshtein(after, tokens) <= max(_levenshtein(corrupted.tokens, tokens), n_gaps)


@given(TOKENS, st.integers(0, 1000))
def test_no_edits_change_nothing_and_ask_for_nothing(tokens: list[int], seed: int) -> None:
    corrupted = _corrupt(tokens, 0, seed)
    assert corrupted.tokens == corrupted.targets == tokens


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_alone_is_what_it_says(operation: str) -> None:
    alone = EditNoise(**{name: float(name == operation) for name in OPERATIONS})
    corrupted = _corrupt(list(range(10, 30)), 3, 0, alone)
    change = {"delete": -3, "insert": 3, "substitute": 0}[operation]
    assert len(corrupted.tokens) == 20 + change
    kinds = {"delete": EXPAND, "insert": DELETE, "substitute": None}
    marked = [target for target in corrupted.targets if target in (EXPAND, DELETE)]
    assert set(marked) <= {kinds[operation]}


def test_operations_distribute_as_configured() -> None:
    noise = EditNoise(delete=1, insert=2, substitute=5)
    counts: Counter[str] = Counter()
    for seed in range(300):
        counts.update(_corrupt(list(range(10, 30)), 8, seed, noise).operations)
    total = sum(counts.values())
    for name, share in (("delete", 1 / 8), ("insert", 2 / 8), ("substitute", 5 / 8)):
        assert abs(counts[name] / total - share) < 0.03


@pytest.mark.parametrize(("length", "alpha", "expected"), [(100, 1.0, 10), (100, 0.0, 0), (35, 1.0, 3), (9, 1.0, 0)])
def test_number_of_edits_follows_the_length(length: int, alpha: float, expected: int) -> None:
    assert EditNoise().n_edits(length, alpha) == expected
