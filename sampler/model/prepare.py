"""A model as the service holds it: in the device's own number format, its products joined, on a CPU also packed.

Joined: products of one input are one product, queries, keys and values, gate and up: half the calls, and the same
numbers. A pass over a few tokens spends most of its time on calls, and not on what they compute. Packed: weights are
laid out once as a CPU's matrix products want them; torch's own `linear` does it anew at every product.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sampler.model import checkpoint
from sampler.model.attention import Topology
from sampler.model.backbone import Attention, Backbone, BackboneConfig, Layer, Mlp, RmsNorm, rotate
from sampler.model.checkpoint import LoadedModel, OnProgress
from sampler.model.devices import pick_dtype
from sampler.model.folder import ModelError
from sampler.model.gguf_directory import is_gguf_folder
from sampler.protocol.handshake import weights_hash
from sampler.protocol.paths import cache_folder
from sampler.protocol.whole import discard

if TYPE_CHECKING:
    from sampler.model.onnx_graph import Rows, Weights
    from sampler.model.onnx_network import OnnxNetwork

_log = logging.getLogger(__name__)

MOST_TWICE = 16 << 20
"""Bytes of embeddings up to which a head that shares them is packed all the same."""


def load(folder: Path, device: torch.device, on_progress: OnProgress | None = None) -> LoadedModel:
    """The folder's model, ready to sample, no more to be trained or saved. Raises ModelError."""
    if device.type == "cpu" and is_gguf_folder(folder):
        return load_quantised(folder, on_progress)
    model = checkpoint.load(folder, device, pick_dtype(device), on_progress)
    join(model.backbone)
    if device.type == "cpu":
        pack(model.backbone)
    return model


def load_quantised(folder: Path, on_progress: OnProgress | None = None) -> LoadedModel:
    """A pulled model on a CPU, in 8 bits, by ONNX Runtime: several times as fast as torch there. Raises ModelError.

    What is computed of its weights is computed once, and kept in the cache.
    """
    about = checkpoint.describe(folder)
    files = kernels_folder(folder)
    with checkpoint.outline(folder) as (backbone, tensors):
        if backbone.config.qk_norm or not backbone.config.tie_embeddings:
            raise ModelError(f"{folder.name} is of a shape that no GGUF file of the catalogue has: pull it again.")
        try:
            network = _network(files, backbone.config, _finite(folder, tensors, on_progress))
        except OSError as error:
            raise ModelError(f"{files} cannot be written ({error.strerror}): make room there.") from None
    return LoadedModel(
        id=about.id,
        backbone=backbone,
        tokenizer=about.tokenizer,
        profile=about.profile,
        is_forbidden=checkpoint.forbidden(about.profile, backbone.config.vocab_size),
        max_positions=about.max_positions,
        n_bytes=network.n_bytes,
        device=torch.device("cpu"),
        dtype=torch.int8,
        served_by=network,
    )


def kernels_folder(folder: Path) -> Path:
    """Where the cache keeps what was computed of a model's weights."""
    return cache_folder() / "kernels" / weights_hash(folder)


def _network(files: Path, config: BackboneConfig, weights: Weights) -> OnnxNetwork:
    """The network over the cache's files, which are made anew where they are not what they should be."""
    from sampler.model.onnx_network import OnnxNetwork, prepare_files

    prepare_files(files, config, weights)
    try:
        return OnnxNetwork(files, config, torch.get_num_threads())
    except Exception as error:  # the runtime has kinds of its own
        _log.warning("%s is made anew: %s", files, error)
    discard(files)
    prepare_files(files, config, weights)
    return OnnxNetwork(files, config, torch.get_num_threads())


def _finite(folder: Path, tensors: Mapping[str, Any], on_progress: OnProgress | None) -> Weights:
    """Reads a tensor by its name, some rows after the others; raises ModelError where one of its numbers is none."""
    n_read = 0

    def weights(name: str) -> Rows:
        nonlocal n_read
        for rows in tensors[name].rows(name):
            if not np.isfinite(rows).all():
                raise ModelError(f"{folder.name}: {name} holds numbers that are not finite.")
            yield rows
        n_read += 1
        if on_progress is not None:
            on_progress(min(n_read / len(tensors), 1.0))

    return weights


class JoinedAttention(nn.Module):
    """What an attention layer gives; queries and keys are normed and rotated together."""

    def __init__(self, plain: Attention) -> None:
        super().__init__()
        self.layer = plain.layer
        self.head_dim = plain.head_dim
        self.n_q, self.n_kv = (one.out_features // plain.head_dim for one in (plain.q_proj, plain.k_proj))
        self.qkv_proj = _joined([plain.q_proj, plain.k_proj, plain.v_proj])
        self.o_proj = plain.o_proj
        self.qk_norm = _joined_norm(plain.q_norm, self.n_q, plain.k_norm, self.n_kv) if plain.qk_norm else None

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Topology) -> Tensor:
        """(B, T, hidden) → (B, T, hidden)."""
        batch, length, _ = x.shape
        heads = self.qkv_proj(x).view(batch, length, -1, self.head_dim)
        qk, v = torch.split(heads, [self.n_q + self.n_kv, self.n_kv], dim=2)
        if self.qk_norm is not None:
            qk = self.qk_norm(qk)
        q, k = torch.split(rotate(qk.transpose(1, 2), cos, sin), [self.n_q, self.n_kv], dim=1)
        attended = attend(self.layer, q, k, v.transpose(1, 2))
        out: Tensor = self.o_proj(attended.transpose(1, 2).reshape(batch, length, -1))
        return out


class JoinedMlp(nn.Module):
    """What a SwiGLU layer gives."""

    def __init__(self, plain: Mlp) -> None:
        super().__init__()
        self.gate_up_proj = _joined([plain.gate_proj, plain.up_proj])
        self.down_proj = plain.down_proj

    def forward(self, x: Tensor) -> Tensor:
        """(…, hidden) → (…, hidden)."""
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        out: Tensor = self.down_proj(F.silu(gate) * up)
        return out


@torch.no_grad()
def join(backbone: Backbone) -> None:
    """Join the layers in place, one after the other; the network can then no more be trained or saved."""
    for layer in backbone.model.layers:
        assert isinstance(layer, Layer)
        layer.self_attn = JoinedAttention(layer.self_attn)  # type: ignore[assignment]
        layer.mlp = JoinedMlp(layer.mlp)  # type: ignore[assignment]


def _joined(layers: Sequence[nn.Linear]) -> nn.Linear:
    weights = torch.cat([layer.weight for layer in layers])
    joined = nn.Linear(weights.shape[1], weights.shape[0], bias=False, device="meta")
    joined.weight = nn.Parameter(weights, requires_grad=False)
    if layers[0].bias is not None:
        joined.bias = nn.Parameter(torch.cat([layer.bias for layer in layers]), requires_grad=False)
    return joined


def _joined_norm(q_norm: RmsNorm, n_q: int, k_norm: RmsNorm, n_kv: int) -> RmsNorm:
    """Norms over each head, of weights (n_q + n_kv, head_dim)."""
    weight = torch.cat([q_norm.weight.expand(n_q, -1), k_norm.weight.expand(n_kv, -1)])
    joined = RmsNorm(0, q_norm.eps)
    joined.weight = nn.Parameter(weight, requires_grad=False)
    return joined


class PackedLinear(nn.Module):
    """What a linear layer gives, from weights in oneDNN's own layout."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.n_out = linear.out_features
        self.packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) → (…, out)."""
        if x.numel() == 0:
            return x.new_zeros(*x.shape[:-1], self.n_out)
        rows = x.reshape(-1, x.shape[-1])
        product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self.packed, self.bias, "none", [], "")
        return product.view(*x.shape[:-1], self.n_out)


def pack(backbone: Backbone) -> None:
    """Pack the linear layers in place, where this build of torch can; the network can then no more be trained or saved.

    A large head that shares its weights with the embeddings stays as it is: packed, it would be in memory twice.
    """
    if not torch.backends.mkldnn.is_available():
        return
    embeddings = backbone.model.embed_tokens.weight
    shared = embeddings if embeddings.nbytes > MOST_TWICE else None
    for module in list(backbone.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear) and child.weight is not shared:
                setattr(module, name, PackedLinear(child))
