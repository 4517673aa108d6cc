"""Keys and values that outlive a pass: context slots that rows share, private tails, and what can be used again.

A slot is read-only. A longer context makes a new slot that begins with the old one's keys and values, so rows that
still read the old one are never disturbed.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from sampler.protocol.messages import CacheMiss

Parts: TypeAlias = list[tuple[str, int]]
"""Where a context's tokens come from, in order: (name, length)."""

RETOKENISED = 8
"""Tokens at the end of a context that a keystroke may change without the cache having missed anything."""


@dataclass(frozen=True, slots=True, eq=False)
class KeyValues:
    """Keys and values of T tokens in every layer, each (n_layers, Hkv, T, D)."""

    keys: Tensor
    values: Tensor

    def __len__(self) -> int:
        return int(self.keys.shape[2])

    @property
    def n_bytes(self) -> int:
        """Memory of both tensors."""
        return 2 * self.keys.numel() * self.keys.element_size()

    def head(self, n: int) -> KeyValues:
        """The first n tokens, as a view."""
        return KeyValues(self.keys[:, :, :n], self.values[:, :, :n])

    def take(self, index: Tensor) -> KeyValues:
        """The tokens at `index` (n,), copied."""
        return KeyValues(self.keys.index_select(2, index), self.values.index_select(2, index))


def join(parts: Sequence[KeyValues]) -> KeyValues:
    """One behind the other, copied unless there is only one."""
    if len(parts) == 1:
        return parts[0]
    return KeyValues(torch.cat([p.keys for p in parts], dim=2), torch.cat([p.values for p in parts], dim=2))


@dataclass(frozen=True, slots=True, eq=False)
class ContextSlot:
    """A context that has been read: its tokens, their keys and values, and the last token's hidden state (hidden,)."""

    tokens: list[int]
    parts: Parts
    key_values: KeyValues
    last_hidden: Tensor


class Tail:
    """The committed blocks of one row, in row order."""

    def __init__(self) -> None:
        self._parts: list[KeyValues] = []

    def append(self, block: KeyValues) -> None:
        """Keep a block's keys and values."""
        self._parts = [join([*self._parts, block])]

    @property
    def past(self) -> tuple[KeyValues, ...]:
        """What a pass attends to; nothing before the first commit."""
        return tuple(self._parts)


@dataclass(frozen=True, slots=True, eq=False)
class Reuse:
    """What is left to do for a context: the first `n_tokens` are in `slot`; `miss` says why it is not more."""

    slot: ContextSlot | None
    n_tokens: int
    miss: CacheMiss


class SlotCache:
    """Context slots by document, least recently used out first when `budget_bytes` is passed."""

    def __init__(self, budget_bytes: int = 1 << 30) -> None:
        self.budget_bytes = budget_bytes
        self._slots: OrderedDict[str, ContextSlot] = OrderedDict()
        self._evicted: set[str] = set()
        self.n_evicted = 0
        """Slots that had to make room for others so far."""

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def n_bytes(self) -> int:
        """Memory of all slots."""
        return sum(slot.key_values.n_bytes for slot in self._slots.values())

    def find(self, document: str, tokens: Sequence[int], parts: Parts) -> Reuse:
        """The slot of `document` and how many of `tokens`, which come from these parts, it already holds."""
        slot = self._slots.get(document)
        if slot is None:
            return Reuse(None, 0, "evicted" if document in self._evicted else "cold")
        self._slots.move_to_end(document)
        n = common_prefix(slot.tokens, tokens)
        return Reuse(slot, n, why_missed(slot, tokens, parts, n))

    def keep(self, document: str, slot: ContextSlot) -> None:
        """Store the newest context of `document` and make room for it."""
        self._slots[document] = slot
        self._slots.move_to_end(document)
        self._evicted.discard(document)
        while len(self._slots) > 1 and self.n_bytes > self.budget_bytes:
            self._evicted.add(self._slots.popitem(last=False)[0])
            self.n_evicted += 1

    def drop(self, document: str) -> None:
        """Let go of a document's slot: it was closed."""
        self._slots.pop(document, None)
        self._evicted.discard(document)

    def clear(self) -> None:
        """Drop every slot; rows keep the ones they read."""
        self._evicted.update(self._slots)
        self._slots.clear()


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens `a` and `b` begin with alike."""
    n = min(len(a), len(b))
    return next((i for i in range(n) if a[i] != b[i]), n)


def why_missed(slot: ContextSlot, tokens: Sequence[int], parts: Parts, n_common: int) -> CacheMiss:
    """The part in which the old and the new context first differ; "none" where only their ends do."""
    if n_common >= min(len(slot.tokens), len(tokens)) - RETOKENISED:
        return "none"
    names = {part_at(slot.parts, n_common), part_at(parts, n_common)}
    return next((cause for name, cause in _CAUSES if name in names), "prefix")


def part_at(parts: Parts, index: int) -> str:
    """The name of the part that holds the token at `index`."""
    ends = itertools.accumulate(length for _, length in parts)
    return next((name for (name, _), end in zip(parts, ends, strict=True) if index < end), "")


_CAUSES: tuple[tuple[str, CacheMiss], ...] = (("header", "snippets"), ("suffix", "suffix"))
"""Parts in the layout's order; what stands behind them counts as the prefix."""
