"""Whether the machine has power to spare for work that nobody has asked for."""

from __future__ import annotations

import time

CHECK_EVERY_S = 2.0
BUSY_SHARE = 0.85
"""Of all processors' time since the last look, without what low-priority work took."""


class Machine:
    """Looks at battery and processors, at most every few seconds."""

    def __init__(self) -> None:
        self._looked = -CHECK_EVERY_S
        self._reason: str | None = None

    def why_spare(self) -> str | None:
        """Why speculative work should not be done now, in one sentence, or None."""
        now = time.monotonic()
        if now - self._looked >= CHECK_EVERY_S:
            self._looked, self._reason = now, _on_battery() or _busy()
        return self._reason


def _on_battery() -> str | None:
    import psutil  # takes 50 ms, and initialize must not wait for it

    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return "The machine runs on battery." if battery is not None and battery.power_plugged is False else None


def _busy() -> str | None:
    """By the processors' time since the last call; the first call knows nothing."""
    import psutil

    times = psutil.cpu_times_percent(interval=None)
    spare = times.idle + getattr(times, "nice", 0.0) + getattr(times, "iowait", 0.0)
    is_known = spare + times.user + times.system > 0
    return "The machine is busy." if is_known and spare < 100 * (1 - BUSY_SHARE) else None
