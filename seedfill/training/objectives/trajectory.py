"""Trajectories of denoising (paper section 3.2): in which step each token of a span is decided.

A trajectory {x_K → … → x_0} of masks is x_0 and the step of each token: x_i shows the tokens that were decided before.
Candidates have two sources. *any-order*: x_0 is what stood in the file and the order is drawn by the transition of the
mask process (Eq. 8), the orders that the ELBO averages over (Eq. 7). *model*: the model writes x_0 itself, in an order
of its own, through the sampler's `denoise_step`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from sampler.decoding.canvas import Canvas, from_context
from sampler.decoding.denoise import Row, denoise, read_context, start_row
from sampler.decoding.unmask import Sampling
from sampler.model.checkpoint import LoadedModel
from sampler.model.layout import Context
from seedfill.training.data.prompts import Prompt
from seedfill.training.objectives.noise import NoiseSchedule

Source = Literal["model", "any-order"]
NEVER = 1 << 30
"""The step of a token that is decided by the end of the span alone: the rest of a block behind its end token."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trajectory:
    """`order[i]` is the step, counted from 0 in its block, in which `tokens[i]` is decided.

    `tokens` end with the end token where the span ended by itself. `elbo` is in nats a token.
    """

    sample: int
    source: Source
    context: list[int]
    tokens: list[int]
    order: list[int]
    block_size: int
    elbo: float | None = None

    def __post_init__(self) -> None:
        if len(self.tokens) != len(self.order) or not self.tokens or self.block_size < 1:
            raise ValueError("A trajectory needs a step for each of its tokens, and at least one token.")

    @property
    def n_steps(self) -> int:
        """|τ|: passes that decide tokens, over all blocks."""
        return sum(max(order) + 1 for _, _, order in self.blocks())

    def blocks(self) -> Iterator[tuple[int, list[int], list[int]]]:
        """(index of its first token, tokens, steps) of each block."""
        for start in range(0, len(self.tokens), self.block_size):
            end = start + self.block_size
            yield start, self.tokens[start:end], self.order[start:end]

    def padded_blocks(self, end_id: int) -> Iterator[tuple[int, list[int], list[int]]]:
        """`blocks`, the last one filled up with end tokens behind its own, as the model meets it."""
        for start, tokens, order in self.blocks():
            n = self.block_size - len(tokens) if tokens[-1] == end_id else 0
            yield start, tokens + [end_id] * n, order + [NEVER] * n


@dataclass(frozen=True, slots=True)
class Rollout:
    """What the model wrote for a prompt: tokens, their steps, and log-probabilities by the causal reading."""

    tokens: list[int]
    order: list[int]
    log_probs: list[float]
    n_forwards: int
    has_ended: bool
    """Whether the model ended the span itself."""


class Recorder:
    """Notes in which step of its block each token is decided; an `on_step` of the sampler's."""

    def __init__(self) -> None:
        self._steps: dict[int, dict[int, int]] = {}
        self._now: dict[int, int] = {}

    def __call__(self, canvas: Canvas) -> None:
        """Look at a canvas with one span, after a step."""
        span, key = canvas.spans[0], id(canvas)
        if span.block is None:
            self._now[key] = 0
            return
        now, seen = self._now.get(key, 0), self._steps.setdefault(key, {})
        for i, is_masked in enumerate(span.block.is_masked.tolist()):
            if not is_masked:
                seen.setdefault(len(span.tokens) + i, now)
        self._now[key] = now + 1

    def order(self, canvas: Canvas) -> list[int]:
        """The steps of a finished canvas's tokens."""
        seen = self._steps[id(canvas)]
        return [seen[i] for i in range(len(canvas.spans[0].tokens))]


def roll_out(
    model: LoadedModel, contexts: Sequence[Context], samplings: Sequence[Sequence[Sampling]], limit: int
) -> list[list[Rollout]]:
    """Fill each context once by each of its samplings, at most `limit` tokens, all rows in one batch."""
    stop_ids = frozenset({model.profile.end_id})
    groups: list[list[Row]] = []
    for context, own in zip(contexts, samplings, strict=True):
        canvas = from_context(context, limit, stop_ids)
        slot, _ = read_context(model, canvas)
        groups.append([start_row(model, canvas.copy(), sampling, slot) for sampling in own])
    recorder = Recorder()
    denoise(model, [row for group in groups for row in group], recorder)
    return [[_rollout(row, recorder) for row in group] for group in groups]


def _rollout(row: Row, recorder: Recorder) -> Rollout:
    span = row.canvas.spans[0]
    return Rollout(span.tokens, recorder.order(row.canvas), span.log_probs, row.n_forwards, span.finish == "end")


def sampling(seed: str, block_size: int, threshold: float, temperature: float) -> Sampling:
    """The editor's threshold policy at a temperature, with a generator of its own."""
    generator = torch.Generator().manual_seed(random.Random(seed).getrandbits(62))
    return Sampling("threshold", threshold, block_size, temperature, generator=generator)


def transition(is_masked: Sequence[bool], before: float, after: float, rng: random.Random) -> list[bool]:
    """x_s → x_t, s < t, by Eq. 8: each visible token is masked with probability (γ_t − γ_s) / (1 − γ_s).

    `before` and `after` are γ_s and γ_t; what is masked stays so.
    """
    rate = (after - before) / (1 - before) if before < 1 else 1.0
    return [masked or rng.random() < rate for masked in is_masked]


def any_order(n_tokens: int, block_size: int, schedule: NoiseSchedule, rng: random.Random) -> list[int]:
    """The steps of `n_tokens` tokens, each block noised by Eq. 8 over a random number of times and read backwards."""
    order: list[int] = []
    for start in range(0, n_tokens, block_size):
        order += _block_order(min(block_size, n_tokens - start), schedule, rng)
    return order


def _block_order(n: int, schedule: NoiseSchedule, rng: random.Random) -> list[int]:
    n_times = rng.randrange(1, n + 1)
    rates = [0.0, *(schedule.rate(k / n_times) for k in range(1, n_times)), 1.0]
    is_masked, masked_at = [False] * n, [0] * n
    for k in range(1, n_times + 1):
        now = transition(is_masked, rates[k - 1], rates[k], rng)
        masked_at = [k if new and not old else at for at, old, new in zip(masked_at, is_masked, now, strict=True)]
        is_masked = now
    times = sorted(set(masked_at), reverse=True)  # times at which nothing was masked are no steps
    return [times.index(at) for at in masked_at]


def gold_trajectory(
    prompt: Prompt, block_size: int, rng: random.Random, schedule: NoiseSchedule | None = None, sample: int = 0
) -> Trajectory:
    """What stood at a prompt, in a random order."""
    return Trajectory(
        sample=sample,
        source="any-order",
        context=prompt.context.tokens,
        tokens=prompt.gold,
        order=any_order(len(prompt.gold), block_size, schedule or NoiseSchedule(), rng),
        block_size=block_size,
    )


def select(trajectories: Sequence[Trajectory], n_keep: int = 1) -> list[Trajectory]:
    """The `n_keep` trajectories of the highest ELBO a token, for each sample and source.

    Sources compete apart: the model's own text is always likelier to it than a person's, and alone it would drift.
    Raises ValueError where some have to be left out and one has no ELBO.
    """
    pools: dict[tuple[int, str], list[Trajectory]] = {}
    for trajectory in trajectories:
        pools.setdefault((trajectory.sample, trajectory.source), []).append(trajectory)
    return [trajectory for pool in pools.values() for trajectory in _best(pool, n_keep)]


def _best(pool: list[Trajectory], n_keep: int) -> list[Trajectory]:
    if len(pool) <= n_keep:
        return pool
    elbos = [trajectory.elbo for trajectory in pool if trajectory.elbo is not None]
    if len(elbos) < len(pool):
        raise ValueError("Trajectories are selected by their ELBO: score them first.")
    ranked = sorted(zip(elbos, pool, strict=True), key=lambda pair: pair[0], reverse=True)
    return [trajectory for _, trajectory in ranked[:n_keep]]
