"""The policies by name. Each is three things: which masks become tokens, who drafts, and whether the reading checks.

To select otherwise is a function in `unmask.py`, to draft otherwise a class in `drafters.py`; a policy is a row here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sampler.protocol.messages import Policy

Select: TypeAlias = Literal["threshold", "entropy", "margin", "fixed"]
"""By what it is decided which masks become tokens in a step (`unmask.SELECT`)."""
Draft: TypeAlias = Literal["none", "masks", "fused", "lookup"]
"""Where the tokens of a block come from before they are checked, or kept unchecked (`drafters.DRAFTERS`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodingPolicy:
    """How a row is decoded. Where there is old code, that is the draft of any policy while it lasts."""

    select: Select = "threshold"
    drafter: Draft = "masks"
    is_checked: bool = False
    """Whether only what the causal reading would have written is kept: speculative decoding, without loss."""
    parameter: float = 0.0
    """What `select` compares with, where nobody says: a probability, nats, a difference of probabilities, a share of
    the block; 0 drafts a block in one step."""

    @property
    def block_size(self) -> int | None:
        """Tokens of a block of masks where it is not left to the request: without masks there is a token at a time."""
        return 1 if self.drafter in ("none", "lookup") else None


POLICIES: dict[Policy, DecodingPolicy] = {
    "threshold": DecodingPolicy(select="threshold", parameter=0.9),
    "entropy": DecodingPolicy(select="entropy", parameter=0.3),
    "margin": DecodingPolicy(select="margin", parameter=0.8),
    "fixed": DecodingPolicy(select="fixed", parameter=0.25),
    "verified": DecodingPolicy(drafter="masks", is_checked=True),
    "fused": DecodingPolicy(drafter="fused", is_checked=True),
    "lookup": DecodingPolicy(drafter="lookup", is_checked=True),
    "sequential": DecodingPolicy(drafter="none", is_checked=True),
}
CHECKED: tuple[Policy, ...] = tuple(name for name, policy in POLICIES.items() if policy.is_checked)
"""Policies that need a family with a causal reading."""
TOKEN_BY_TOKEN: tuple[Policy, ...] = tuple(name for name, policy in POLICIES.items() if policy.block_size == 1)
"""Policies that ask no network to fill a mask."""
