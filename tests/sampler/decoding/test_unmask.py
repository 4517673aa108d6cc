"""Policies take at least one position, never a forbidden token, and do what their names say."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sampler.decoding.policies import POLICIES
from sampler.decoding.unmask import (
    Sampling,
    agreeing,
    forbid,
    judge,
    keep_nucleus,
    pick,
    propose,
    unmask,
)
from sampler.protocol.messages import Policy

V = 12


def sampling(policy: Policy = "threshold", threshold: float = 0.9, **changes: Any) -> Sampling:
    return Sampling(policy, threshold, 8, **changes)


def logits_of(*probabilities: float) -> torch.Tensor:
    """One row a probability: the first token has it, the others share the rest."""
    rows = [[p, *[(1 - p) / (V - 1)] * (V - 1)] for p in probabilities]
    return torch.tensor(rows).log()


def taken(policy: Policy, parameter: float, *probabilities: float) -> list[int]:
    _, chosen = unmask(logits_of(*probabilities), sampling(policy, parameter))
    return chosen.nonzero()[:, 0].tolist()


def test_every_policy_of_the_seam_is_there() -> None:
    assert set(POLICIES) == set(get_args(Policy))


@pytest.mark.parametrize(
    ("policy", "parameter", "probabilities", "expected"),
    [
        ("threshold", 0.9, (0.95, 0.5, 0.92), [0, 2]),
        ("threshold", 0.9, (0.5, 0.6, 0.3), [1]),
        ("threshold", 0.0, (0.5, 0.6, 0.3), [0, 1, 2]),
        ("margin", 0.8, (0.95, 0.5, 0.92), [0, 2]),
        ("margin", 0.99, (0.5, 0.6, 0.3), [1]),
        ("entropy", 0.0, (0.5, 0.6, 0.3), [1]),
        ("entropy", 0.5, (0.99, 0.98, 0.3), [0, 1, 2]),
        ("entropy", 0.05, (0.99, 0.98, 0.3), [0]),
        ("fixed", 0.25, (0.5, 0.6, 0.3), [0, 1]),
        ("fixed", 1.0, (0.5, 0.6, 0.3), [0, 1, 2]),
        ("verified", 0.0, (0.5, 0.6, 0.3), [0, 1, 2]),
    ],
)
def test_policies_take_the_positions_their_names_say(
    policy: Policy, parameter: float, probabilities: tuple[float, ...], expected: list[int]
) -> None:
    assert taken(policy, parameter, *probabilities) == expected


@given(
    st.sampled_from(sorted(POLICIES)),
    st.integers(1, 9),
    st.floats(0, 1),
    st.sampled_from([0.0, 0.7, 5.0]),
    st.integers(0, 999),
)
def test_at_least_one_position_is_taken_and_nothing_forbidden(
    policy: Policy, m: int, parameter: float, temperature: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    is_forbidden = torch.arange(V) % 3 == 0
    logits = forbid(torch.randn(m, V, generator=generator) * 4, is_forbidden)
    proposal, chosen = unmask(logits, sampling(policy, parameter, temperature=temperature, generator=generator))
    assert chosen.any() and chosen.shape == (m,)
    assert not is_forbidden[proposal.tokens].any()
    assert ((proposal.probability > 0) & (proposal.probability <= 1)).all()


def test_temperature_draws_from_the_nucleus_alone() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log().expand(400, -1)
    for top_p, expected in ((0.5, {0}), (0.7, {0, 1}), (1.0, {0, 1, 2, 3})):
        drawn = pick(
            logits, sampling(temperature=1.0, top_p=top_p, generator=torch.Generator().manual_seed(0))
        ).tolist()
        assert set(drawn) == expected
    assert set(pick(logits, sampling()).tolist()) == {0}


def test_the_nucleus_is_the_fewest_tokens_that_hold_top_p() -> None:
    kept = keep_nucleus(torch.tensor([[0.1, 0.6, 0.3], [0.05, 0.05, 0.9]]), 0.8)
    assert kept.tolist() == [[0, pytest.approx(0.6), pytest.approx(0.3)], [0, 0, pytest.approx(0.9)]]


def test_the_same_seed_draws_the_same_tokens() -> None:
    logits = torch.randn(50, V, generator=torch.Generator().manual_seed(3))
    draws = [
        propose(logits, sampling(temperature=1.0, generator=torch.Generator().manual_seed(seed))).tokens.tolist()
        for seed in (5, 5, 6)
    ]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(
    ("draft", "own", "n_trusted", "n_kept"),
    [
        ([5, 6, 7], [6, 7, 8], 1, 3),
        ([5, 6, 9], [6, 7, 8], 1, 2),
        ([5, 9, 7], [6, 7, 8], 1, 1),
        ([5], [6], 1, 1),
        ([5, 6, 7], [0, 7, 8], 2, 3),
    ],
)
def test_a_draft_is_kept_as_far_as_the_causal_reading_agrees(
    draft: list[int], own: list[int], n_trusted: int, n_kept: int
) -> None:
    is_trusted = torch.arange(len(draft)) < n_trusted
    assert agreeing(torch.tensor(draft), torch.tensor(own), is_trusted) == n_kept


@pytest.mark.parametrize(("temperature", "top_p"), [(1e-300, 1.0), (1.0, 1e-300), (1e-300, 1e-300), (1e-30, 0.5)])
def test_the_smallest_numbers_mean_the_likeliest_token(temperature: float, top_p: float) -> None:
    chosen = sampling(temperature=temperature, top_p=top_p, generator=torch.Generator().manual_seed(0))
    logits = logits_of(0.9, 0.5) - torch.tensor([[0.0], [1e4]])
    assert pick(logits, chosen).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("probabilities", "written", "alone", "in_runs"),
    [
        ((0.95, 0.5, 0.5, 0.5), [1, 1, 0, 1], [0], [0, 1]),  # a kept token ends a run
        ((0.5, 0.95, 0.5), [1, 1, 1], [1], [0, 1, 2]),
        ((0.5, 0.95, 0.5), [1, 0, 1], [], []),  # being sure of what is written begins none
        ((0.5, 0.5), [1, 1], [], []),
    ],
)
def test_old_code_changes_in_whole_runs_and_other_tokens_one_by_one(
    probabilities: tuple[float, ...], written: list[int], alone: list[int], in_runs: list[int]
) -> None:
    for is_edit, expected in ((False, alone), (True, in_runs)):
        chosen = sampling(edit_threshold=0.9, is_edit=is_edit)
        _, where = judge(logits_of(*probabilities), torch.tensor(written), chosen)
        assert where.nonzero()[:, 0].tolist() == expected
