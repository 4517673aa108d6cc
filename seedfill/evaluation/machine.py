"""How fast this machine multiplies matrices: the figure that makes times of different machines comparable."""

from __future__ import annotations

import time

import torch

_SIZE = {"float32": 1024, "bfloat16": 512}
"""Smaller where a CPU without bfloat16 arithmetic may be a hundred times slower."""
_SECONDS = 0.3


def matmul_gflops(dtype: str = "float32", device: str = "cpu") -> float:
    """The rate of square matrix products in billions of floating-point operations a second, the best of several."""
    size = _SIZE[dtype]
    a = torch.ones(size, size, dtype=getattr(torch, dtype), device=device)
    best, deadline = float("inf"), time.perf_counter() + _SECONDS
    while True:
        start = time.perf_counter()
        a @ a
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
        if time.perf_counter() > deadline:
            return 2 * size**3 / best / 1e9
