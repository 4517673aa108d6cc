"""Who attends to whom: each topology is a callable that the backbone calls once a layer.

A topology takes `(layer, q, k, v)`, shaped (B, H, T, D) for q and (B, Hkv, T, D) for k and v, already rotated,
and returns (B, H, T, D). The backbone knows nothing of caches or masks; a topology knows nothing of weights.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Topology(Protocol):
    """One layer's attention over the row's own keys and whatever else the topology holds."""

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; shapes as in the module's docstring."""
        ...


def attend(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
    """Scaled dot-product attention with grouped keys. `attn_mask` is True where attention is allowed."""
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=attn_mask, is_causal=is_causal, enable_gqa=q.shape[1] != k.shape[1]
    )


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
