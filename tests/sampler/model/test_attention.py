"""Attention computes the same however its queries are laid out for the kernel."""

from __future__ import annotations

import pytest
import torch

from sampler.model.attention import FEW_QUERIES, attend


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("n_kv_heads", [1, 2, 4])
@pytest.mark.parametrize("n_queries", [1, 2, 5, FEW_QUERIES, FEW_QUERIES + 1])
@pytest.mark.parametrize("is_masked", [False, True])
def test_queries_that_share_keys_attend_as_each_does_alone(
    dtype: torch.dtype, tolerance: float, n_kv_heads: int, n_queries: int, is_masked: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    q = torch.randn(1, 4, n_queries, 16, generator=generator)
    k, v = torch.randn(2, 1, n_kv_heads, 40, 16, generator=generator)
    mask = torch.ones(n_queries, 40, dtype=torch.bool).tril(40 - n_queries) if is_masked else None
    each = [head // (4 // n_kv_heads) for head in range(4)]
    scores = q @ k[:, each].transpose(-1, -2) / 16**0.5
    expected = (scores if mask is None else scores.masked_fill(~mask, -torch.inf)).softmax(-1) @ v[:, each]
    found = attend(q.to(dtype), k.to(dtype), v.to(dtype), attn_mask=mask)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, atol=tolerance, rtol=0)
