"""The server's only clock, a parameter so that a test or a replay can bring its own."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Clock(Protocol):
    """Time and waiting."""

    def now(self) -> float:
        """Seconds since some moment, never going back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...


class LoopClock:
    """The event loop's time: an editor's where the loop is an ordinary one."""

    def now(self) -> float:
        """The running loop's time."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait as the loop counts."""
        await asyncio.sleep(seconds)
