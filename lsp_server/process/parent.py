"""Leaving when the editor is gone: a server that outlives it holds memory for nobody."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    import psutil

logger = logging.getLogger(__name__)

INTERVAL_S = 1.0


async def wait_for_death(process_id: int, interval_s: float = INTERVAL_S) -> None:
    """Return when the process with that id has ended.

    One that cannot be seen from the beginning, from inside a container for instance, is waited for in vain.
    """
    import psutil  # takes 50 ms, and initialize must not wait for it

    try:
        process = psutil.Process(process_id)
    except psutil.Error:
        logger.info("The editor's process %d is not visible from here, so it is not watched.", process_id)
        await asyncio.Event().wait()
    while _is_alive(process):
        await asyncio.sleep(interval_s)
    logger.warning("The editor's process %d has ended; leaving.", process_id)


def _is_alive(process: psutil.Process) -> bool:
    """Its id may be another's by now, which `is_running` knows; one that nobody has reaped is dead too."""
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def is_process_id(value: object) -> TypeGuard[int]:
    """Whether a client's `processId` can be that of a process."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 31
