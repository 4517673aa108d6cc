"""One transformer for the Llama, Qwen2 and Qwen3 shapes: RMSNorm, rotary positions, grouped queries, SwiGLU.

Modules carry the names of Hugging Face's checkpoints, so a state dict is a checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sampler.model.attention import Packed, Topology
from sampler.model.devices import threads_for
from sampler.model.network import Forward, Segment


@dataclass(frozen=True, kw_only=True, slots=True)
class BackboneConfig:
    """The shape of a network: widths, counts and the options in which the families differ."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-6
    qkv_bias: bool = False
    qk_norm: bool = False
    tie_embeddings: bool = True


class RmsNorm(nn.Module):
    """Root-mean-square normalisation over the last dimension, computed in float32."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(…, size) → (…, size)."""
        return F.rms_norm(x.float(), (x.shape[-1],), None, self.eps).to(x.dtype) * self.weight


class Attention(nn.Module):
    """Projections, optional norm of queries and keys, rotation; what is attended to is the topology's affair."""

    def __init__(self, config: BackboneConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.head_dim = config.head_dim
        n_q, n_kv = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, n_q, bias=config.qkv_bias)
        self.k_proj = nn.Linear(config.hidden_size, n_kv, bias=config.qkv_bias)
        self.v_proj = nn.Linear(config.hidden_size, n_kv, bias=config.qkv_bias)
        self.o_proj = nn.Linear(n_q, config.hidden_size, bias=False)
        if config.qk_norm:
            self.q_norm = RmsNorm(config.head_dim, config.norm_eps)
            self.k_norm = RmsNorm(config.head_dim, config.norm_eps)
        self.qk_norm = config.qk_norm

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Topology) -> Tensor:
        """(B, T, hidden) → (B, T, hidden)."""
        batch, length, _ = x.shape
        q = self.q_proj(x).view(batch, length, -1, self.head_dim)
        k = self.k_proj(x).view(batch, length, -1, self.head_dim)
        v = self.v_proj(x).view(batch, length, -1, self.head_dim).transpose(1, 2)
        if self.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        q, k = rotate(q.transpose(1, 2), cos, sin), rotate(k.transpose(1, 2), cos, sin)
        out: Tensor = self.o_proj(attend(self.layer, q, k, v).transpose(1, 2).reshape(batch, length, -1))
        return out


class Mlp(nn.Module):
    """SwiGLU."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…, hidden) → (…, hidden)."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    """Pre-norm attention and feed-forward, each added to the residual stream."""

    def __init__(self, config: BackboneConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(config.hidden_size, config.norm_eps)
        self.self_attn = Attention(config, layer)
        self.post_attention_layernorm = RmsNorm(config.hidden_size, config.norm_eps)
        self.mlp = Mlp(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Topology) -> Tensor:
        """(B, T, hidden) → (B, T, hidden)."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, attend)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Trunk(nn.Module):
    """Embeddings, layers and the last norm: everything below the head."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, i) for i in range(config.n_layers))
        self.norm = RmsNorm(config.hidden_size, config.norm_eps)


class Backbone(nn.Module):
    """The network in torch: a `Network` for decoding; training calls `forward` with a topology of its own."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(self, tokens: Tensor, positions: Tensor, attend: Topology) -> Tensor:
        """One pass over a row.

        tokens: (B, T) ids; positions: (B, T) or (T,), absolute, in any order. Returns (B, T, hidden), normed.
        """
        x = self.model.embed_tokens(tokens)
        cos, sin = rotary(positions, self.config.head_dim, self.config.rope_theta, x.dtype)
        for layer in self.model.layers:
            x = layer(x, cos, sin, attend)
        out: Tensor = self.model.norm(x)
        return out

    def read(self, tokens: Tensor, positions: Tensor, segments: Sequence[Segment]) -> Forward:
        """See `Network.read`."""
        packed = Packed(segments, tokens.device)
        return Forward(self(tokens[None], positions[None], packed)[0], packed.key_values)

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, hidden) → (…, vocab)."""
        out: Tensor = self.lm_head(hidden)
        return out

    def threads(self, n_tokens: int) -> AbstractContextManager[None]:
        """See `Network.threads`: what a layer multiplies decides."""
        return threads_for(n_tokens * self.config.hidden_size * self.config.intermediate_size)


def rotary(positions: Tensor, head_dim: int, theta: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotation, (B or 1, 1, T, head_dim); angles are float32 whatever `dtype` is.

    Sines of the first half are negative, as `rotate` takes them.
    """
    exponents = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32) / head_dim
    angles = positions.float()[..., None] * theta**-exponents  # (B, T, D / 2) or (T, D / 2)
    if angles.ndim == 2:
        angles = angles[None]
    cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
    return torch.cat([cos, cos], dim=-1)[:, None], torch.cat([-sin, sin], dim=-1)[:, None]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (i, i + D / 2) of x (B, H, T, D), as the Llama family lays them out."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)
