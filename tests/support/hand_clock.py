"""A clock that a test turns by hand: a wait is over at once, and its length is written down."""

from __future__ import annotations

import asyncio


class HandClock:
    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)
