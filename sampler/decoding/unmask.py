"""Which positions of a block get a token in this step, and which token: functions of tensors.

A selection speaks of the masked positions of one block alone, m of them, so a position that is not masked cannot
change. It looks at the proposal and says which positions to take, (m,) bool; it always takes
at least one, so every step comes nearer to the end. What is written already is looked at by `judge` alone.

threshold: Fast-dLLM (arXiv 2505.22618) · entropy: EB-Sampler (arXiv 2505.24857) · margin and fixed: LLaDA, Dream
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sampler.decoding.policies import POLICIES, DecodingPolicy, Select
from sampler.protocol.messages import Policy

EDIT_STEPS = 4
"""Most steps in which a block may be edited: a gap of n tokens takes n of them."""
EDIT_THRESHOLD = 0.9
"""τ_edit of old code where the model's config gives none."""
OLD_EDIT_STEPS = 16
"""The same for a block of old code, where more is to change than what went wrong."""
OLD_CODE_SIZE = 32
"""Tokens of old code that are checked at once."""
SMALLEST = 1e-4
"""Temperatures and shares of probability below it are taken for it: float32 would make a nan of them, or nothing."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A token for every position asked about, its probability before temperature, and all log-probabilities."""

    tokens: Tensor  # (m,)
    probability: Tensor  # (m,)
    log_probs: Tensor  # (m, V)


@dataclass(frozen=True, slots=True, eq=False)
class Sampling:
    """How a row is sampled. `threshold` is the policy's parameter, see `DecodingPolicy`."""

    policy: Policy
    threshold: float
    block_size: int
    temperature: float = 0.0
    top_p: float = 1.0
    generator: torch.Generator | None = None
    edit_threshold: float | None = None
    """τ_edit: how sure the model must be of something else for a written token to change; None: never."""
    is_edit: bool = False
    """Whether old code is there to start from."""

    @property
    def how(self) -> DecodingPolicy:
        """What the policy's name stands for."""
        return POLICIES[self.policy]

    @property
    def n_edit_steps(self) -> int:
        """Steps a block may spend on edits; none where the causal reading has the last word anyway."""
        if self.edit_threshold is None or self.is_checked:
            return 0
        return OLD_EDIT_STEPS if self.is_edit else EDIT_STEPS

    @property
    def old_code_size(self) -> int:
        """Tokens of a block of old code: looking at many costs little more than at few."""
        return max(self.block_size, OLD_CODE_SIZE)

    @property
    def is_checked(self) -> bool:
        """Whether only what the causal reading would have written is kept."""
        return self.how.is_checked


def forbid(logits: Tensor, is_forbidden: Tensor, but: Sequence[int] = ()) -> Tensor:
    """Logits (…, V) as float32, without a chance for forbidden tokens other than `but`."""
    if but:
        is_forbidden = is_forbidden.index_fill(0, torch.tensor(but, device=is_forbidden.device), False)
    return logits.float().masked_fill(is_forbidden, -torch.inf)


def pick(logits: Tensor, sampling: Sampling) -> Tensor:
    """A token for each row of logits (m, V): the likeliest, or one drawn at the row's temperature and top_p."""
    if sampling.temperature == 0 or len(logits) == 0:
        return logits.argmax(-1)
    probabilities = keep_nucleus((logits / max(sampling.temperature, SMALLEST)).softmax(-1), sampling.top_p)
    return torch.multinomial(probabilities, 1, generator=sampling.generator)[:, 0]


def keep_nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Zero all but the fewest tokens that hold `top_p` of the probability (m, V); not renormalised."""
    if top_p >= 1:
        return probabilities
    ordered, index = probabilities.sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(probabilities).scatter(-1, index, ordered.masked_fill(before >= max(top_p, SMALLEST), 0.0))


def propose(logits: Tensor, sampling: Sampling) -> Proposal:
    """A token for each masked position from its logits (m, V), forbidden tokens already out."""
    log_probs = logits.log_softmax(-1)
    tokens = pick(logits, sampling)
    return Proposal(tokens, log_probs.gather(-1, tokens[:, None])[:, 0].exp(), log_probs)


def threshold(proposal: Proposal, sampling: Sampling) -> Tensor:
    """Every position whose token is at least that probable, and the most probable one."""
    return with_best(proposal.probability >= sampling.threshold, proposal.probability)


def entropy(proposal: Proposal, sampling: Sampling) -> Tensor:
    """The surest positions, as long as the entropies of all but the last add up to at most `threshold` nats.

    That sum bounds what is lost by choosing them independently.
    """
    terms = proposal.log_probs.exp() * proposal.log_probs
    entropies = -terms.nan_to_num(0.0).sum(-1)  # 0 · -inf of forbidden tokens is 0 here
    ordered, index = entropies.sort()
    fits = ordered.cumsum(0) - ordered <= sampling.threshold
    return torch.zeros_like(fits).scatter(0, index, fits)


def margin(proposal: Proposal, sampling: Sampling) -> Tensor:
    """Every position whose best token leads the second by at least that much, and the one with the widest lead."""
    best = proposal.log_probs.topk(2, dim=-1).values.exp()
    lead = best[:, 0] - best[:, 1]
    return with_best(lead >= sampling.threshold, lead)


def fixed(proposal: Proposal, sampling: Sampling) -> Tensor:
    """That share of a full block, the most probable positions: 0.25 fills a block in four steps."""
    n = min(max(round(sampling.threshold * sampling.block_size), 1), len(proposal.probability))
    index = proposal.probability.topk(n).indices
    return torch.zeros_like(proposal.probability, dtype=torch.bool).index_fill(0, index, True)


def with_best(is_taken: Tensor, score: Tensor) -> Tensor:
    """`is_taken` (m,) and the position of the best score."""
    return is_taken.index_fill(0, score.argmax(), True)


SELECT: dict[Select, Callable[[Proposal, Sampling], Tensor]] = {
    "threshold": threshold,
    "entropy": entropy,
    "margin": margin,
    "fixed": fixed,
}


def unmask(logits: Tensor, sampling: Sampling) -> tuple[Proposal, Tensor]:
    """One decision over the m masked positions of a block: the proposal and which of it to take, (m,) bool."""
    proposal = propose(logits, sampling)
    return proposal, SELECT[sampling.how.select](proposal, sampling)


def judge(logits: Tensor, tokens: Tensor, sampling: Sampling) -> tuple[Proposal, Tensor]:
    """What the model would rather have than the written tokens (m,), by logits (m, V), and where that is taken.

    The answer is always the likeliest, whatever the temperature: a draw would spoil what is right. It is taken where
    the model is sure of it. Old code changes in runs, of which a half would leave fragments: there so do all neighbours
    that the model would rather have otherwise.
    """
    assert sampling.edit_threshold is not None
    log_probs = logits.log_softmax(-1)
    best, answers = log_probs.max(-1)
    differs, is_sure = answers != tokens.to(answers.device), best.exp() >= sampling.edit_threshold
    taken = _whole_runs(differs, is_sure) if sampling.is_edit else differs & is_sure
    return Proposal(answers, best.exp(), log_probs), taken


def _whole_runs(differs: Tensor, is_sure: Tensor) -> Tensor:
    """Those of `differs` (m,) that stand in a run with one that `is_sure` (m,)."""
    run = (~differs).cumsum(0)  # the same number for all of a run
    n_sure = torch.zeros(len(run) + 1, device=run.device).index_add(0, run, (differs & is_sure).float())
    return differs & (n_sure[run] > 0)


def doubts(proposal: Proposal, tokens: Tensor) -> list[float]:
    """Log-probabilities of those of the written tokens (m,) that the model would rather have otherwise."""
    tokens = tokens.to(proposal.tokens.device)
    own = proposal.log_probs.gather(-1, tokens[:, None])[:, 0]
    found: list[float] = own[proposal.tokens != tokens].tolist()
    return found


def prefer(own: Tensor, logits: Tensor, old: Sequence[int], threshold: float) -> Tensor:
    """The reading's `own` tokens (n,), by logits (n, V), but the `old` ones (n or n - 1) where it is not that sure."""
    probability = logits.softmax(-1).gather(-1, own[:, None])[:, 0]
    kept = probability < threshold
    kept[len(old) :] = False
    padded = torch.tensor([*old, 0][: len(own)], device=own.device)
    return torch.where(kept, padded, own)


def agreeing(draft: Tensor, own: Tensor, is_trusted: Tensor) -> int:
    """How many leading tokens of a draft (n,) to keep: trusted ones (n,), as the first is, and those `own` has too.

    `own` (n,) holds the causal reading's choice of what follows each token.
    """
    differs = ((draft[1:] != own[:-1]) & ~is_trusted[1:]).nonzero()
    return int(differs[0]) + 1 if len(differs) else len(draft)
