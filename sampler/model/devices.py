"""Which device and number format a model runs in, and how many threads it may use. torch is imported on use."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cuda", "mps", "cpu")

SMALL_PRODUCT = 5_000_000
"""Multiplications of a matrix product below which one thread is faster than two (benchmarks/policy_cost.py)."""


class NoDevice(ValueError):
    """A device that is not there; its text is one sentence for a person."""


def wait_passively() -> None:
    """Let idle threads sleep instead of spin; torch reads this when it is loaded, so call it before.

    Threads that spin while they wait make every matrix product 20 times slower on a busy machine.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")


def limit_threads(n_threads: int | None) -> None:
    """Use so many threads for a pass; None leaves torch's own choice."""
    import torch

    if n_threads is not None:
        torch.set_num_threads(max(n_threads, 1))


@contextmanager
def threads_for(n_products: int) -> Iterator[None]:
    """One thread for layers of so few multiplications that to wake others costs more than they save."""
    import torch

    n_threads = torch.get_num_threads()
    if n_threads == 1 or n_products > SMALL_PRODUCT:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def pick_device(wanted: str = "auto") -> torch.device:
    """The device by that name; "auto": cuda, else mps, else cpu. Raises NoDevice with one sentence."""
    import torch

    there: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    name = next(n for n, is_there in there.items() if is_there()) if wanted == "auto" else wanted
    kind, _, number = name.partition(":")
    if kind not in there or not re.fullmatch(r"[a-z]+(:[0-9]+)?", name):
        raise NoDevice(f"There is no device {wanted!r}: choose one of {', '.join(DEVICES)}.")
    if not there[kind]():
        raise NoDevice(f"This machine has no {kind} device that torch can use: choose auto or cpu.")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise NoDevice(f"There is no device {wanted!r}: the last one is cuda:{torch.cuda.device_count() - 1}.")
    return torch.device(name)


def pick_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it fast, float32 elsewhere."""
    import torch

    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        able = torch.cpu.get_capabilities()
        fast = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    else:
        fast = False
    return torch.bfloat16 if fast else torch.float32
