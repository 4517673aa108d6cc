"""Joined products give what each gives alone."""

from __future__ import annotations

import pytest
import torch

from sampler.model.attention import Causal
from sampler.model.joining import join
from tests.support.tiny_model import tiny_backbone


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
