"""Who attends to whom: each topology is a callable that the backbone calls once a layer.

A topology takes `(layer, q, k, v)`, shaped (B, H, T, D) for q and (B, Hkv, T, D) for k and v, already rotated,
and returns (B, H, T, D). The backbone knows nothing of caches or masks; a topology knows nothing of weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from sampler.model.kv_cache import KeyValues
from sampler.model.network import Segment


class Topology(Protocol):
    """One layer's attention over the row's own keys and whatever else the topology holds."""

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; shapes as in the module's docstring."""
        ...


FEW_QUERIES = 8
"""Queries up to which heads that share keys are read together: of more, each has work enough (dev/LOG.md)."""


def attend(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
    """Scaled dot-product attention with grouped keys. `attn_mask` is True where attention is allowed."""
    if q.device.type == "cpu" and q.shape[2] <= FEW_QUERIES and not is_causal:
        return _attend_few(q, k, v, attn_mask)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=attn_mask, is_causal=is_causal, enable_gqa=q.shape[1] != k.shape[1]
    )


def _attend_few(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None) -> Tensor:
    """The same on a CPU, which reads keys once for all the heads that share them: these become one head's queries.

    Where a single bfloat16 query is left, it is attended in float32: torch's kernel for it takes several times as long.
    """
    batch, n_heads, length, width = q.shape
    n_shared = n_heads // k.shape[1]
    if n_shared == length == 1 and q.dtype == torch.bfloat16:
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=attn_mask).to(q.dtype)
    folded = q.reshape(batch, k.shape[1], n_shared * length, width)
    seen = attn_mask if attn_mask is None or n_shared == 1 else torch.cat([attn_mask] * n_shared, dim=-2)
    return F.scaled_dot_product_attention(folded, k, v, attn_mask=seen).reshape(q.shape)


class Causal:
    """Token-causal: the clean stream of training, a prefill of an empty cache, token-by-token reading."""

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Position i attends to 0 … i."""
        return attend(q, k, v, is_causal=True)


class Full:
    """Everything attends to everything: the in-place families."""

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Position i attends to every position."""
        return attend(q, k, v)


class TwoStream:
    """The clean stream and the noised live blocks of one training row, in one forward.

    A row is `clean (T)` followed by `live (L)`. The clean stream is token-causal and never sees the live one. A live
    token sees what `live_mask` (B, 1, L, T + L) allows: the clean tokens its block may know and the block itself.
    """

    def __init__(self, n_clean: int, live_mask: Tensor) -> None:
        self.n_clean = n_clean
        self.live_mask = live_mask

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Two kernels: causal for the clean stream, masked for the live one."""
        n = self.n_clean
        clean = attend(q[:, :, :n], k[:, :, :n], v[:, :, :n], is_causal=True)
        live = attend(q[:, :, n:], k, v, attn_mask=self.live_mask)
        return torch.cat([clean, live], dim=2)


class Packed:
    """Rows of any length side by side in one sequence (B = 1), each blind to the others and with its own past.

    Linear layers see one long batch without padding; attention runs a row at a time, so a row computes what it
    would alone. Afterwards `key_values(i)` holds what row i wrote.
    """

    def __init__(self, segments: Sequence[Segment], device: torch.device) -> None:
        self._segments = list(segments)
        self._masks = [_mask(segment, device) for segment in segments]
        ends = list(itertools.accumulate(segment.length for segment in segments))
        self._bounds = list(zip([0, *ends], ends, strict=False))
        self._written: list[tuple[Tensor, Tensor]] = []

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend row by row; layers must be called in order."""
        self._written.append((k, v))
        rows = zip(self._segments, self._masks, self._bounds, strict=True)
        outs = [
            _attend_row(layer, segment, mask, q[:, :, a:b], k[:, :, a:b], v[:, :, a:b])
            for segment, mask, (a, b) in rows
        ]
        return outs[0] if len(outs) == 1 else torch.cat(outs, dim=2)

    def key_values(self, row: int) -> KeyValues:
        """Keys and values of one row in all layers, copied."""
        a, b = self._bounds[row]
        keys = torch.stack([k[0, :, a:b] for k, _ in self._written])
        return KeyValues(keys, torch.stack([v[0, :, a:b] for _, v in self._written]))


def _mask(segment: Segment, device: torch.device) -> Tensor | None:
    """(length, past + length), True where allowed; None where the kernel needs none."""
    n_past = sum(map(len, segment.past))
    if segment.seen is not None:
        return F.pad(segment.seen.to(device), (n_past, 0), value=True)
    if not segment.is_causal or segment.length == 1 or n_past == 0:
        return None
    allowed = torch.ones(segment.length, n_past + segment.length, dtype=torch.bool, device=device)
    return allowed.tril_(n_past)


def _attend_row(layer: int, segment: Segment, mask: Tensor | None, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    if not segment.past and mask is None:
        return attend(q, k, v, is_causal=segment.is_causal and segment.length > 1)
    keys = torch.cat([*(past.keys[layer][None] for past in segment.past), k], dim=2)
    values = torch.cat([*(past.values[layer][None] for past in segment.past), v], dim=2)
    return attend(q, keys, values, attn_mask=mask)
