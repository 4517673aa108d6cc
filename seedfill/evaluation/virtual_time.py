"""An event loop whose time jumps over every wait but those for real work, which take as long as they take.

with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner: ...

A replay of hours of typing so takes as long as the work that the typing causes. Everything that waits by the loop's
own time, as asyncio.sleep does, waits in virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import time
from collections.abc import Callable, Iterator
from typing import cast


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """While nobody is inside `working()` and nothing is ready, the next timer is due at once.

    `clock` tells the time that work takes. Where all work is done in this process it may be `time.process_time`: then
    it does not matter what else the machine does.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._waits = _Waits()
        self._clock = clock
        super().__init__(self._waits)

    def time(self) -> float:
        """Seconds: the clock's and those that were jumped over."""
        return self._clock() + self._waits.skipped_s

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Real work goes on elsewhere: until it is done time passes as on the wall."""
        self._waits.n_working += 1
        try:
            yield
        finally:
            self._waits.n_working -= 1


def running_loop() -> VirtualTimeLoop:
    """The loop that runs this, which must be one of these."""
    return cast(VirtualTimeLoop, asyncio.get_running_loop())


class _Waits(selectors.DefaultSelector):
    """Where a loop waits for input or for its next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.n_working = 0
        self.skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; with nothing at work `timeout` is skipped rather than waited for."""
        if timeout is None or timeout <= 0 or self.n_working:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.skipped_s += timeout
        return ready
