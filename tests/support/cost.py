"""What a call costs: seconds of this process' processor, which other processes do not add to.

Tests compare it with bounds that linear work stays a factor of 50 below, and quadratic work exceeds by far.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time


def cost(call: Callable[[], object]) -> float:
    """Seconds of processor time."""
    start = process_time()
    call()
    return process_time() - start
