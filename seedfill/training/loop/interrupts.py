"""A run that is asked to stop, by Ctrl-C or SIGTERM, does so between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def noticed() -> Iterator[threading.Event]:
    """An event that is set by the first signal to stop; the second one does what it always does.

    Only the main thread hears signals: elsewhere the event stays as it is.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def notice(number: int, frame: FrameType | None) -> None:
        event.set()
        restore()

    for number in SIGNALS:
        signal.signal(number, notice)
    try:
        yield event
    finally:
        restore()
