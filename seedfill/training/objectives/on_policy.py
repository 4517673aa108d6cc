"""On-policy learning (paper section 3.3): fewer steps, as long as what comes out is good.

Eq. 10 asks for E[|τ| − V(τ[0])] to be small over the model's own trajectories. The part of V is minimised by the
log-derivative trick, with the other rollouts of the same prompt as the baseline. For |τ|, which has no useful gradient,
stands the surrogate of Eq. 11, E over pairs of 1 / d_Lev(τ[i], τ[j]): between two states of masks the distance is the
number of tokens decided, one at least, and of the others as many as the model is already sure of at τ[i]:

    d(i, j) = 1 + Σ p(x_0[k] | τ[i]) over the tokens k decided between i and j, the surest left out.

It is minimised only along trajectories that the verifier passes, and comes in gradually ("progressive"). The mask-based
objective on data goes on beside it and holds the model to what people write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sampler.decoding.unmask import Sampling
from sampler.model.checkpoint import LoadedModel
from sampler.model.tokenizer import Tokenizer
from seedfill.training.data.prompts import Prompt, PromptShape
from seedfill.training.data.rows import Rows
from seedfill.training.objectives.live import Live, LiveRows
from seedfill.training.objectives.losses import LossParts, live_log_probs
from seedfill.training.objectives.trajectory import NEVER, Rollout, Trajectory, roll_out, sampling
from seedfill.training.objectives.trajectory_rows import add_state, stack_trajectories, states
from seedfill.training.objectives.verifier import Verdict, Verifier, verify


@dataclass(frozen=True, kw_only=True, slots=True)
class OnPolicy:
    """How rollouts are made and what weighs how much in the loss."""

    n_rollouts: int = 4
    """Of each prompt; their mean V is the baseline."""
    block_size: int = 8
    threshold: float = 0.9
    temperature: float = 0.7
    verifier: Verifier = Verifier()
    verifier_factor: float = 1.0
    steps_factor: float = 1.0
    ramp_share: float = 0.25
    """The surrogate comes in linearly over this first share of the steps."""
    anchor_factor: float = 1.0
    """Of the mask-based objective on what people wrote."""
    n_anchors: int = 3
    """Spans of that for each prompt."""
    shape: PromptShape = field(default_factory=PromptShape)
    tested_share: float = 0.25
    """Of prompts whose fills can be run, where the files have any: see `tested`."""


@dataclass(frozen=True, slots=True)
class Experience:
    """Judged trajectories: V less its baseline is `advantage`; `is_good` are those that the verifier passes."""

    trajectories: list[Trajectory]
    verdicts: list[Verdict]
    advantages: list[float]
    n_forwards: int

    @property
    def is_good(self) -> list[bool]:
        """What may be made faster."""
        return [verdict.passes for verdict in self.verdicts]


def experience(model: LoadedModel, prompts: Sequence[Prompt], how: OnPolicy, seeds: Sequence[str]) -> Experience:
    """Let the model fill each prompt `n_rollouts` times through the editor's own steps, and judge what comes out."""
    samplings = [
        [sampling(f"{seed}/{i}", how.block_size, how.threshold, how.temperature) for i in range(how.n_rollouts)]
        for seed in seeds
    ]
    rollouts = roll_out(model, [prompt.context for prompt in prompts], samplings, how.shape.max_tokens)
    trajectories, verdicts, advantages = [], [], []
    for i, (prompt, own) in enumerate(zip(prompts, rollouts, strict=True)):
        judged = [_judge(model.tokenizer, how.verifier, prompt, rollout) for rollout in own]
        scores = [verdict.score for verdict in judged]
        trajectories += [_trajectory(i, prompt, rollout, how.block_size) for rollout in own]
        verdicts += judged
        advantages += [score - (sum(scores) - score) / max(len(scores) - 1, 1) for score in scores]
    return Experience(trajectories, verdicts, advantages, sum(r.n_forwards for own in rollouts for r in own))


def losses(model: LoadedModel, found: Experience, how: OnPolicy, progress: float) -> LossParts:
    """The two losses of Eq. 10 over `found`, and what is to be watched; `progress` is the share of the steps done."""
    clean, live, is_next = policy_rows(found.trajectories, model.tokenizer)
    log_probs = live_log_probs(model.backbone, clean, live, model.is_forbidden)  # (B, L)
    advantage = torch.tensor(found.advantages, device=log_probs.device)
    chosen = torch.from_numpy(is_next).to(log_probs.device)
    verified = -(advantage[:, None] * log_probs * chosen).sum()
    hurried = [
        sum(surrogate(block) for block in blocks) / len(blocks) if good else None
        for good, blocks in zip(
            found.is_good, _by_block(found.trajectories, log_probs.exp(), model.tokenizer), strict=True
        )
    ]
    kept = [value for value in hurried if isinstance(value, Tensor)]
    n = len(found.trajectories)
    ramp = min(progress / how.ramp_share, 1.0) if how.ramp_share else 1.0
    watched = _watched(found)
    return LossParts(
        sums={
            "verifier": verified,
            "surrogate": torch.stack(kept).sum() if kept else log_probs.sum() * 0,
            **{key: torch.tensor(value) for key, value in watched.items()},
        },
        counts={
            "verifier": float(sum(len(t.tokens) for t in found.trajectories)),
            "surrogate": float(len(kept)),
            **dict.fromkeys(watched, float(n)),
            "tokens_per_step": float(sum(t.n_steps for t in found.trajectories)),
        },
        factors={
            "verifier": how.verifier_factor,
            "surrogate": how.steps_factor * ramp,
            **dict.fromkeys(watched, 0.0),
        },
        n_tokens=float(sum(len(t.context) + len(t.tokens) for t in found.trajectories)),
    )


def surrogate(block: Sequence[tuple[Tensor, Sequence[int]]]) -> Tensor:
    """Eq. 11 over one block: the mean of 1 / d(i, j) over its pairs of states, i before j.

    `block` holds, for each state, the probabilities (m,) of the x_0 tokens masked in it and the step of each token.
    """
    terms = []
    for i, (probability, steps) in enumerate(block):
        at = torch.tensor(steps, device=probability.device)
        for j in range(i + 1, len(block) + 1):
            between = probability[at < j]
            others = between.sum() - between.max() if len(between) else between.sum()  # all behind the end: a lost step
            terms.append(1 / (1 + others))
    return torch.stack(terms).mean()


def policy_rows(trajectories: Sequence[Trajectory], tokenizer: Tokenizer) -> tuple[Rows, LiveRows, np.ndarray]:
    """All states of each trajectory, x_0 to be said at every mask; (B, L) bool marks what the next step decides."""
    end_id = tokenizer.id("<span_end>")
    lives, marks = [], []
    for trajectory in trajectories:
        lives.append(Live())
        mark: list[bool] = []
        for state in states(trajectory, end_id):
            is_asked = [state.step <= step < NEVER for step in state.order]
            weights = [1.0] * len(is_asked)
            add_state(lives[-1], len(trajectory.context), state, state.tokens, weights, is_asked, tokenizer)
            mark += [step == state.step for step in state.order] + [False]
        marks.append(mark)
    clean, live = stack_trajectories(trajectories, lives, tokenizer)
    n_live = live.tokens.shape[1]
    return clean, live, np.array([mark + [False] * (n_live - len(mark)) for mark in marks])


def greedy(how: OnPolicy) -> Sampling:
    """As the editor samples: the likeliest token, at the same threshold."""
    return Sampling("threshold", how.threshold, how.block_size)


def policy_figures(model: LoadedModel, prompts: Sequence[Prompt], how: OnPolicy) -> dict[str, float]:
    """Mean steps, verifier pass rate and more over greedy fills of `prompts`."""
    rollouts = roll_out(model, [p.context for p in prompts], [[greedy(how)]] * len(prompts), how.shape.max_tokens)
    found = [own[0] for own in rollouts]
    verdicts = [_judge(model.tokenizer, how.verifier, p, r) for p, r in zip(prompts, found, strict=True)]
    trajectories = [_trajectory(0, p, r, how.block_size) for p, r in zip(prompts, found, strict=True)]
    n = len(prompts)
    n_steps = sum(t.n_steps for t in trajectories)
    return {
        "steps": n_steps / n,
        "pass_rate": sum(verdict.passes for verdict in verdicts) / n,
        "tokens_per_step": sum(len(r.tokens) for r in found) / n_steps,
        "tokens_per_forward": sum(len(r.tokens) for r in found) / sum(r.n_forwards for r in found),
        "tokens": sum(len(r.tokens) for r in found) / n,
        "collapsed": sum(verdict.is_collapsed for verdict in verdicts) / n,
        **_tested(verdicts),
    }


def _tested(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Of fills that could be run, how many there were and the share that passed; nothing where there were none."""
    ran = [verdict.passes_tests for verdict in verdicts if verdict.passes_tests is not None]
    return {"tested": float(len(ran)), "tests_passed": sum(ran) / len(ran)} if ran else {}


def _judge(tokenizer: Tokenizer, verifier: Verifier, prompt: Prompt, rollout: Rollout) -> Verdict:
    """V of a rollout; one that did not end by itself was cut off, and is no fill."""
    if not rollout.has_ended:
        return Verdict(0.0, False, False, True)
    return verify(verifier, prompt, tokenizer.decode(rollout.tokens), rollout.tokens, rollout.log_probs)


def _trajectory(sample: int, prompt: Prompt, rollout: Rollout, block_size: int) -> Trajectory:
    return Trajectory(
        sample=sample,
        source="model",
        context=prompt.context.tokens,
        tokens=rollout.tokens,
        order=rollout.order,
        block_size=block_size,
    )


def _by_block(
    trajectories: Sequence[Trajectory], probability: Tensor, tokenizer: Tokenizer
) -> list[list[list[tuple[Tensor, list[int]]]]]:
    """For each trajectory and block its states: (probabilities of the masked x_0 tokens, their steps)."""
    end_id, found = tokenizer.id("<span_end>"), []
    for row, trajectory in enumerate(trajectories):
        blocks: dict[int, list[tuple[Tensor, list[int]]]] = {}
        at = 0
        for state in states(trajectory, end_id):
            asked = [i for i, step in enumerate(state.order) if state.step <= step < NEVER]
            own = probability[row, at : at + len(state.tokens)][asked]
            blocks.setdefault(state.start, []).append((own, [state.order[i] for i in asked]))
            at += len(state.tokens) + 1  # the marker behind each group
        found.append(list(blocks.values()))
    return found


def _watched(found: Experience) -> dict[str, float]:
    """Sums over trajectories of what is logged: Figure 2a is `tokens_per_step` over the steps."""
    return {
        "steps": float(sum(t.n_steps for t in found.trajectories)),
        "pass_rate": float(sum(found.is_good)),
        "score": sum(verdict.score for verdict in found.verdicts),
        "collapsed": float(sum(verdict.is_collapsed for verdict in found.verdicts)),
        "tokens_written": float(sum(len(t.tokens) for t in found.trajectories)),
        "tokens_per_step": float(sum(len(t.tokens) for t in found.trajectories)),
    }
