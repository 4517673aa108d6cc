"""A region to fill and the block of it at work: what can be done to their tokens."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix

import torch
from torch import Tensor

from sampler.decoding.old_code import OldCode
from sampler.model.families import FamilyProfile
from sampler.protocol.messages import Finish


@dataclass(slots=True, eq=False)
class Block:
    """The slice of a span that is denoised together.

    `tokens`, `is_masked`, `is_locked` (given, so that they never change) and `confidence` (probability when unmasked)
    are (n,). The first `n_anchor` are locked and no text.
    """

    start: int
    """Position of the first token."""
    tokens: Tensor
    is_masked: Tensor
    confidence: Tensor
    is_locked: Tensor
    n_anchor: int = 0
    old_end: int | None = None
    """Where the old code goes on behind the block; None for a block of masks."""
    judgements: list[float] = field(default_factory=list)
    """Log-probability of every answer that was acted upon."""
    doubts: list[float] = field(default_factory=list)
    """Log-probability of every token that stays though another one is likelier, as of the last look."""

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def n_locked(self) -> int:
        """How many tokens were given."""
        return int(self.is_locked.sum())

    def keep(self, which: slice | Tensor) -> None:
        """Keep these tokens."""
        self.tokens, self.is_masked = self.tokens[which], self.is_masked[which]
        self.confidence, self.is_locked = self.confidence[which], self.is_locked[which]

    def decide(self, i: int, token: int, probability: float) -> None:
        """Write a token."""
        self.tokens[i], self.confidence[i], self.is_masked[i] = token, probability, False

    def expand(self, i: int, mask_id: int) -> None:
        """Put a mask before token i; what stands behind moves on by one position."""
        self.insert(i, [mask_id], is_masked=True)

    def delete(self, i: int) -> None:
        """Drop token i, masked or not."""
        self.keep(torch.arange(len(self)) != i)

    def insert(self, i: int, tokens: Sequence[int], *, is_masked: bool, is_locked: Sequence[bool] = ()) -> None:
        """Put tokens before token i."""
        n = len(tokens)
        locked = torch.tensor(is_locked or [False] * n, dtype=torch.bool)
        self.tokens = _spliced(self.tokens, i, torch.tensor(tokens, dtype=torch.long))
        self.is_masked = _spliced(self.is_masked, i, torch.full((n,), is_masked))
        self.confidence = _spliced(self.confidence, i, torch.ones(n))
        self.is_locked = _spliced(self.is_locked, i, locked)

    def mask_again(self, mask_id: int) -> None:
        """Back to masks, locked tokens apart."""
        self.tokens = torch.where(self.is_locked, self.tokens, mask_id)
        self.is_masked = ~self.is_locked

    def drop_undecided(self, stop_ids: Collection[int]) -> None:
        """Drop masks, and the end, which comes when all is decided."""
        self.keep(~self.is_masked & ~torch.isin(self.tokens, torch.tensor(list(stop_ids))))

    def settled(self) -> int:
        """How many of the leading tokens are decided."""
        masked = self.is_masked.nonzero()
        return len(self) if len(masked) == 0 else int(masked[0])


@dataclass(slots=True, eq=False)
class Span:
    """A region to fill: what is committed, the block at work, and how it ended.

    `tokens` are committed text tokens, the end token last where the model wrote one; `log_probs` speak of each.
    """

    start: int
    """Position of the first token: the anchor, once that is committed the first text token."""
    limit: int
    """Most text tokens it may get."""
    anchor: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    block: Block | None = None
    finish: Finish | None = None
    next_token: int | None = None
    """The first token of the next block where the causal reading has already chosen it."""
    carry: Tensor | None = None
    """Causal logits (V,) of the span's next token, from the last commit or the context."""
    old_code: OldCode | None = None
    """Of an edit: the old code."""
    judged: list[float] = field(default_factory=list)
    """Log-probabilities that say how sure the model was of what it did to the old code, and of what it left."""
    old: list[int] | None = None
    """Of an edit in place, which begins with masks: the old code, by which it is told what to keep."""
    given: list[int] = field(default_factory=list)
    """What the text is to begin with."""
    draft: list[int] = field(default_factory=list)
    """What the pass that committed the last block drafted behind `next_token`."""

    def open_block(self, size: int, mask_id: int, old_code_size: int | None = None) -> Block:
        """Begin a block: the anchor or the chosen token, then a draft or old code while there is some, else masks.

        It has at most `size` text tokens, or `old_code_size` where they are old code.
        """
        locked = [*self.anchor, *self.given, *([] if self.next_token is None else [self.next_token])]
        self.block = block = Block(
            start=self.start + len(self.tokens),
            tokens=torch.tensor(locked, dtype=torch.long),
            is_masked=torch.zeros(len(locked), dtype=torch.bool),
            confidence=torch.ones(len(locked)),
            is_locked=torch.ones(len(locked), dtype=torch.bool),
            n_anchor=len(self.anchor),
        )
        block.insert(len(block), self.draft[: self._room(size)], is_masked=False)
        if self.old_code is not None:
            block.old_end = self.old_code.goes_on(self.next_token)
            most = old_code_size or size
            self._draw(min(most, self.old_code.pace or most))
        if len(block) == len(locked):
            block.old_end = None
            block.insert(len(block), [mask_id] * self._room(size), is_masked=True)
        return block

    def _room(self, size: int) -> int:
        """How many tokens the block still takes, up to `size`."""
        assert self.block is not None
        n_text = len(self.block) - self.block.n_anchor
        return max(min(size, self.limit - len(self.tokens)) - n_text, 0)

    def _draw(self, size: int) -> None:
        """Fill the block up with old code."""
        assert self.block is not None and self.old_code is not None and self.block.old_end is not None
        start = self.block.old_end
        end = self.block.old_end = min(start + self._room(size), len(self.old_code.tokens))
        locked = self.old_code.is_locked[start:end]
        self.block.insert(len(self.block), self.old_code.tokens[start:end], is_masked=False, is_locked=locked)

    def close_block(self, n: int, log_probs: Sequence[float], stop_ids: Collection[int]) -> None:
        """Commit the first n tokens of the block; `log_probs` speak of the text tokens among them."""
        assert self.block is not None
        text = self.block.tokens[self.block.n_anchor : n].tolist()
        if self.old_code is not None:
            self.old_code.follow(text, self._old_code_at(n))
            if self.next_token is not None and self.block.old_end is not None:
                self.old_code.keep_pace(len(self.block), n)
        self.tokens += text
        self.log_probs += log_probs
        self.judged += self.block.judgements + self.block.doubts
        self.start += self.block.n_anchor
        self.anchor, self.given, self.block, self.next_token, self.draft = [], [], None, None, []
        if text and text[-1] in stop_ids:
            self.finish = "end"
        elif len(self.tokens) >= self.limit:
            self.finish = "length"

    def cut(self, n: int) -> None:
        """End it behind the first n committed tokens."""
        self.tokens, self.log_probs = self.tokens[:n], self.log_probs[:n]
        self.block, self.next_token, self.draft, self.finish = None, None, [], "end"

    def _old_code_at(self, n: int) -> int:
        """Where the old code goes on behind the first n tokens of the block."""
        assert self.block is not None and self.old_code is not None
        if n <= self.block.n_anchor:
            return self.old_code.at
        if self.block.old_end is not None:
            return self.block.old_end - (len(self.block) - n)
        return self.old_code.goes_on(self.next_token)

    def must_go_on(self) -> Tensor | None:
        """(n,) bool: behind which tokens of the block a locked one is still to come; None where nothing is locked.

        Without a block, whether one is to come at all, (1,).
        """
        if self.old_code is None or not self.old_code.has_lock(0):
            return None
        if self.block is None:
            return torch.tensor([self.old_code.has_lock(self.old_code.at)])
        end = self.old_code.at if self.block.old_end is None else self.block.old_end
        if self.old_code.has_lock(end):
            return torch.ones(len(self.block), dtype=torch.bool)
        last = int(self.block.is_locked.nonzero()[-1]) if self.block.n_locked else 0
        return torch.arange(len(self.block)) < last

    def agreeing(self, where: Tensor, tokens: Sequence[int]) -> Tensor:
        """(m,) bool: where in the block, `where` (m,), the model's `tokens` (m,) are what stood there before an edit.

        Where the length is another one, old code goes on from either end, as far as the model writes it too.
        """
        assert self.block is not None and self.old is not None
        text = self.block.tokens.tolist()
        for i, token in zip(where.tolist(), tokens, strict=True):
            text[i] = token
        text, start = self.tokens + text, len(self.tokens)
        if self.limit == len(self.old):
            same = [a == b for a, b in zip(text, self.old, strict=False)]
        else:
            head = len(commonprefix([text, self.old]))
            is_last = len(text) == self.limit
            tail = len(commonprefix([text[::-1], self.old[::-1]])) if is_last else 0
            same = [i < head or i >= len(text) - tail for i in range(len(text))]
        return torch.tensor(same[start:], dtype=torch.bool)[where]

    def amend(self, answers: Sequence[tuple[int, int, float]], profile: FamilyProfile) -> None:
        """Do to the block what the model said of its tokens, each (index, answer, probability), in rising order.

        `<delete>` drops the token, `<expand>` puts one MASK before it and leaves it as it is, anything else stands in
        its place: one rule for masks and visible tokens. What would leave the block without a token of its own (and
        no old code to take its place), or the span with more than its limit, is left undone.
        """
        assert self.block is not None
        size = len(self.block)
        if self.old_code is not None:
            self.block.judgements += [math.log(max(probability, 1e-30)) for _, _, probability in answers]
        for i, answer, probability in reversed(answers):
            if answer == profile.delete_id:
                if len(self.block) > self.block.n_locked + 1 or self._has_more:
                    self.block.delete(i)
            elif answer == profile.expand_id:
                if len(self.tokens) + len(self.block) - self.block.n_anchor < self.limit:
                    self.block.expand(i, profile.mask_id)
            else:
                self.block.decide(i, answer, probability)
        if len(self.block) == self.block.n_anchor and self._has_more:
            self._draw(size)

    @property
    def _has_more(self) -> bool:
        """Whether there is old code behind the block."""
        end = None if self.block is None else self.block.old_end
        return self.old_code is not None and end is not None and end < len(self.old_code.tokens)

    def text_tokens(self, mask_id: int) -> list[int]:
        """Committed and unmasked tokens in order, masks left out; old code that nothing has been written for stays."""
        live = [] if self.block is None else self.block.tokens[self.block.n_anchor :].tolist()
        return self.tokens + [token for token in live if token != mask_id] + self._rest()

    def _rest(self) -> list[int]:
        if self.old_code is None or self.finish == "end":
            return []
        end = None if self.block is None else self.block.old_end
        return self.old_code.rest if end is None else self.old_code.tokens[end:]


def _spliced(values: Tensor, i: int, new: Tensor) -> Tensor:
    return torch.cat([values[:i], new, values[i:]])
