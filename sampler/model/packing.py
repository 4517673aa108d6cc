"""Weights laid out once as a CPU's matrix products want them; torch's own `linear` does it anew at every product."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sampler.model.backbone import Backbone

MOST_TWICE = 16 << 20
"""Bytes of embeddings up to which a head that shares them is packed all the same."""


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
