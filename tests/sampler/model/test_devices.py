"""Which device, which number format, how many threads."""

from __future__ import annotations

import pytest
import torch

from sampler.model import devices
from sampler.model.attention import attend


def test_the_cpu_runs_float32_unless_its_bfloat16_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for able, dtype in (
        ({}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert devices.pick_dtype(cpu) == dtype


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(devices.NoDevice, match="choose one of auto"):
        devices.pick_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(devices.NoDevice, match="no cuda device"):
            devices.pick_device("cuda")


def test_a_small_product_has_one_thread_and_a_large_one_all_even_after_a_failure() -> None:
    torch_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with devices.threads_for(devices.SMALL_PRODUCT + 1):
            assert torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError), devices.threads_for(devices.SMALL_PRODUCT):
            assert torch.get_num_threads() == 1
            raise ZeroDivisionError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(torch_threads)


def test_a_lone_bfloat16_query_attends_as_others_do() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, n, 50, 32, generator=generator).bfloat16() for n in (4, 2, 2))
    exact = attend(q.float(), k.float(), v.float())
    for n in (1, 2):
        torch.testing.assert_close(attend(q[:, :, :n], k, v).float(), exact[:, :, :n], atol=2e-3, rtol=1e-2)
