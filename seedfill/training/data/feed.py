"""Batches drawn ahead of the step that needs them: on a thread, or on processes where the network is faster than one.

What a batch holds depends on its step alone, so how it is drawn changes no loss.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

Draw = Callable[[int], Any]

_draw: Draw | None = None
"""In a worker process: what it was forked with."""


def batches(draw: Draw, first: int, last: int, n_workers: int = 0) -> Iterator[Any]:
    """`draw(step)` for first ≤ step < last, in order, up to 2 · n_workers (at least one) steps ahead.

    Worker processes are forked, so they share the corpus's memory; `draw` must not touch a device.
    """
    with _pool(draw, n_workers) as pool:
        submit = _submit_forked if n_workers else draw
        waiting: deque[Future[Any]] = deque()
        for step in range(first, last):
            while len(waiting) < max(2 * n_workers, 2) and step + len(waiting) < last:
                waiting.append(pool.submit(submit, step + len(waiting)))
            yield waiting.popleft().result()


def _pool(draw: Draw, n_workers: int) -> Executor:
    if n_workers == 0:
        return ThreadPoolExecutor(1)
    context = multiprocessing.get_context("fork")
    return ProcessPoolExecutor(n_workers, mp_context=context, initializer=_remember, initargs=(draw,))


def _remember(draw: Draw) -> None:
    global _draw
    _draw = draw


def _submit_forked(step: int) -> Any:
    assert _draw is not None
    return _draw(step)
