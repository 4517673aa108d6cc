"""Trajectories as training rows: the finished span on the clean stream, its earlier states as live groups over it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from sampler.model.checkpoint import LoadedModel
from sampler.model.layout import LIVE_MARKER
from sampler.model.tokenizer import Tokenizer
from seedfill.training.data.rows import IGNORED, PAD_WEIGHT, Rows, is_text, random_text
from seedfill.training.objectives import losses
from seedfill.training.objectives.live import Live, LiveRows, stack_live
from seedfill.training.objectives.trajectory import NEVER, Trajectory


@dataclass(frozen=True, kw_only=True, slots=True)
class Restoring:
    """How x_0 is asked for from an earlier state: λ and f of Eq. 9."""

    balance: float = 0.5
    """λ(x_i) = (masked share of x_i) ** −balance: 0 weighs every masked token alike, 1 every state alike."""
    augmented_share: float = 0.3
    """Share of the states to which f is applied, and whose visible tokens are then all judged."""
    max_rate: float = 0.1
    """f replaces visible tokens by random ones, up to that share: the substitutions of q_edit, which keep lengths."""


@dataclass(frozen=True, slots=True)
class State:
    """x_i of one block: what was decided before `step` is visible."""

    start: int
    tokens: list[int]
    order: list[int]
    step: int

    @property
    def is_masked(self) -> list[bool]:
        """Which tokens are masks."""
        return [step >= self.step for step in self.order]


def states(trajectory: Trajectory, end_id: int) -> Iterator[State]:
    """Every state from which a step was taken, block after block."""
    for start, tokens, order in trajectory.padded_blocks(end_id):
        for step in range(max(s for s in order if s < NEVER) + 1):
            yield State(start, tokens, order, step)


def restoring_rows(
    trajectories: Sequence[Trajectory],
    n_states: int,
    how: Restoring,
    tokenizer: Tokenizer,
    rngs: Sequence[random.Random],
) -> tuple[Rows, LiveRows]:
    """For each trajectory up to `n_states` random states, x_0 to be said at their masks (Eq. 9); a generator a row."""
    end_id = tokenizer.id("<span_end>")
    lives = []
    for trajectory, rng in zip(trajectories, rngs, strict=True):
        found = list(states(trajectory, end_id))
        lives.append(Live())
        for state in rng.sample(found, min(n_states, len(found))):
            _add_restored(lives[-1], len(trajectory.context), state, how, tokenizer, rng)
    return stack_trajectories(trajectories, lives, tokenizer)


def scored_rows(trajectories: Sequence[Trajectory], tokenizer: Tokenizer) -> tuple[Rows, LiveRows]:
    """All states of each trajectory; targets are the tokens that the next step decides, each of weight 1."""
    end_id = tokenizer.id("<span_end>")
    lives = []
    for trajectory in trajectories:
        lives.append(Live())
        for state in states(trajectory, end_id):
            is_next = [step == state.step for step in state.order]
            weights = [1.0 if chosen else 0.0 for chosen in is_next]
            add_state(lives[-1], len(trajectory.context), state, state.tokens, weights, is_next, tokenizer)
    return stack_trajectories(trajectories, lives, tokenizer)


@torch.no_grad()
def scored(model: LoadedModel, trajectories: Sequence[Trajectory], n_batch: int = 16) -> list[Trajectory]:
    """The trajectories with their ELBO by this model, in nats a token.

    log p(x_0 | τ) as the steps decide it: Σ over states, Σ over the tokens that the next step decides (Eq. 7).
    """
    found: list[Trajectory] = []
    for i in range(0, len(trajectories), n_batch):
        batch = trajectories[i : i + n_batch]
        clean, live = scored_rows(batch, model.tokenizer)
        log_probs = losses.live_log_probs(model.backbone, clean, live, model.is_forbidden)
        sums = (log_probs * torch.from_numpy(live.weights).to(log_probs.device)).sum(-1).tolist()
        found += [replace(t, elbo=total / len(t.tokens)) for t, total in zip(batch, sums, strict=True)]
    return found


def _add_restored(
    live: Live, limit: int, state: State, how: Restoring, tokenizer: Tokenizer, rng: random.Random
) -> None:
    is_masked = state.is_masked
    is_augmented = rng.random() < how.augmented_share
    rate = rng.random() * how.max_rate if is_augmented else 0.0
    shown = [
        random_text(rng, tokenizer) if not masked and rng.random() < rate else token
        for token, masked in zip(state.tokens, is_masked, strict=True)
    ]
    share = (sum(is_masked) / len(is_masked)) ** -how.balance
    weights = [share if masked else 1.0 for masked in is_masked]
    weights = [w * (PAD_WEIGHT if step == NEVER else 1.0) for w, step in zip(weights, state.order, strict=True)]
    add_state(live, limit, state, shown, weights, [masked or is_augmented for masked in is_masked], tokenizer)


def add_state(
    live: Live,
    limit: int,
    state: State,
    shown: Iterable[int],
    weights: Sequence[float],
    is_asked: Sequence[bool],
    tokenizer: Tokenizer,
) -> None:
    """Put a state of a span behind `limit` tokens into the live stream, its masks over `shown`.

    x_0 is the target where it is asked for, with its weight.
    """
    mask_id, start = tokenizer.id("<mask>"), len(live.tokens)
    n = len(state.tokens)
    live.tokens += [mask_id if masked else token for token, masked in zip(shown, state.is_masked, strict=True)]
    live.positions += range(limit + state.start, limit + state.start + n)
    live.targets += [token if asked else IGNORED for token, asked in zip(state.tokens, is_asked, strict=True)]
    live.weights += [w if asked else 0.0 for w, asked in zip(weights, is_asked, strict=True)]
    live.is_maskable += is_asked
    live.is_edited += [False] * n
    live.close_group(limit + state.start, start, tokenizer.id(LIVE_MARKER))


def stack_trajectories(
    trajectories: Sequence[Trajectory], lives: Sequence[Live], tokenizer: Tokenizer
) -> tuple[Rows, LiveRows]:
    """One row a trajectory: its context and x_0, and over them the live stream that was made for it."""
    length = max(len(t.context) + len(t.tokens) for t in trajectories)
    n_live = max(len(live.tokens) for live in lives)
    pad_id = tokenizer.id("<pad>")
    tokens = np.full((len(trajectories), length), pad_id, dtype=np.int64)
    targets = np.full((len(trajectories), length), IGNORED, dtype=np.int64)
    for row, trajectory in enumerate(trajectories):
        n, m = len(trajectory.context), len(trajectory.tokens)
        tokens[row, : n + m] = trajectory.context + trajectory.tokens
        if trajectory.source == "any-order":  # a person's text: the causal reading goes on learning from it
            targets[row, : n - 1] = [
                token if is_text(token, tokenizer) else IGNORED for token in trajectory.context[1:]
            ]
            targets[row, n - 1 : n + m - 1] = trajectory.tokens
    positions = np.tile(np.arange(length, dtype=np.int64), (len(trajectories), 1))
    return Rows(tokens, positions, targets), stack_live(lives, length, n_live, pad_id)
