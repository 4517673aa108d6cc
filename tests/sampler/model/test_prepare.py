"""A prepared network gives what the plain one gives."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sampler.model import prepare
from sampler.model.attention import Causal
from sampler.model.prepare import PackedLinear, join, pack
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
    monkeypatch.setattr(prepare, "MOST_TWICE", most_twice)
    plain, packed = (tiny_backbone(tie_embeddings=tie, qkv_bias=True) for _ in range(2))
    pack(packed)
    tokens, positions = torch.arange(60, 80)[None], torch.arange(20)
    ours, theirs = (one.logits(one(tokens, positions, Causal())) for one in (packed, plain))
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
    if torch.backends.mkldnn.is_available():
        left = {name for name, parameter in packed.named_parameters() if parameter.ndim == 2}
        assert left == {"model.embed_tokens.weight"}, "of what is packed no other copy stays"
        assert isinstance(packed.lm_head, nn.Linear) is (tie and not most_twice)


@pytest.mark.parametrize("qk_norm", [False, True])
@pytest.mark.parametrize("qkv_bias", [False, True])
@torch.no_grad()
def test_a_joined_network_reads_the_same(qk_norm: bool, qkv_bias: bool) -> None:
    plain, joined = (tiny_backbone(qk_norm=qk_norm, qkv_bias=qkv_bias) for _ in range(2))
    for one in (plain, joined):
        torch.manual_seed(0)
        for name, parameter in one.named_parameters():
            if name.endswith("_norm.weight"):  # ones would hide which is whose
                parameter.copy_(torch.randn_like(parameter))
    join(joined)
    tokens, positions = torch.arange(60, 80)[None], torch.arange(20)
    ours, theirs = (one(tokens, positions, Causal()) for one in (joined, plain))
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    n_products = sum(isinstance(module, torch.nn.Linear) for module in joined.model.modules())
    assert n_products == 4 * joined.config.n_layers
