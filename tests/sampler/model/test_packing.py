"""Packed weights give what the plain ones give."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sampler.model import packing
from sampler.model.attention import Causal
from sampler.model.packing import PackedLinear, pack
from tests.support.tiny_model import tiny_backbone

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@needs_onednn
@pytest.mark.parametrize("shape", [(24,), (1, 24), (1, 5, 24), (2, 70, 24), (0, 24), (1, 0, 24)])
@pytest.mark.parametrize("bias", [False, True])
@torch.no_grad()
def test_a_packed_layer_is_the_layer(shape: tuple[int, ...], bias: bool) -> None:
    linear, x = nn.Linear(24, 40, bias=bias), torch.randn(shape)
    torch.testing.assert_close(PackedLinear(linear)(x), linear(x))


@pytest.mark.parametrize(("tie", "most_twice"), [(True, 1 << 20), (True, 0), (False, 0)])
@torch.no_grad()
def test_a_packed_network_reads_the_same_and_holds_nothing_large_twice(
    tie: bool, most_twice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MOST_TWICE", most_twice)
    plain, packed = (tiny_backbone(tie_embeddings=tie, qkv_bias=True) for _ in range(2))
    pack(packed)
    tokens, positions = torch.arange(60, 80)[None], torch.arange(20)
    ours, theirs = (one.logits(one(tokens, positions, Causal())) for one in (packed, plain))
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
    if torch.backends.mkldnn.is_available():
        left = {name for name, parameter in packed.named_parameters() if parameter.ndim == 2}
        assert left == {"model.embed_tokens.weight"}, "of what is packed no other copy stays"
        assert isinstance(packed.lm_head, nn.Linear) is (tie and not most_twice)
