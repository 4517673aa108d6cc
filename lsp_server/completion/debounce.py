"""How long to wait before the sampler is asked: by how fast the person types, where, and how fast the sampler is."""

from __future__ import annotations

USUAL_GAP_S = 0.2
"""Between two keys, until the person's own is known."""
LONGEST_GAP_S = 0.6
"""A longer one is thought, not typing."""
LEAST_S, MOST_S = 0.02, 0.5
WEIGHT = 0.2
"""Of the newest value in an exponential moving average (EMA)."""

TRIGGERS = ("(", "[", "{", ".", ",", "=", ":", "+", "-", "*", "/", "<", ">", "@", " ")
"""What stands before a place where a person often pauses, and a suggestion is most wanted."""
EAGER, EVEN, PATIENT = 0.25, 0.5, 0.75
"""Gaps between keys after which a suggestion should appear: after a trigger or at a line's start; at a line's end;
inside of a word or of a line."""


class Debounce:
    """How long to wait: EMAs of the gaps in one person's typing and of one sampler's latency."""

    def __init__(self) -> None:
        self.gap_s = USUAL_GAP_S
        self.latency_s: float | None = None
        self._last_key: float | None = None

    def key(self, now: float) -> None:
        """A document was changed at `now`, in seconds."""
        gap = None if self._last_key is None else now - self._last_key
        self._last_key = now
        if gap is not None and 0 < gap <= LONGEST_GAP_S:
            self.gap_s += WEIGHT * (gap - self.gap_s)

    def answered(self, seconds: float) -> None:
        """The sampler has taken so long."""
        self.latency_s = seconds if self.latency_s is None else self.latency_s + WEIGHT * (seconds - self.latency_s)

    def wait_s(self, line_before: str, line_after: str) -> float:
        """Seconds to wait for another key, between these two parts of the cursor's line."""
        return debounce_s(self.gap_s, self.latency_s or 0.0, eagerness(line_before, line_after))


def debounce_s(gap_s: float, latency_s: float, n_gaps: float) -> float:
    """The wait after which a suggestion appears `n_gaps` usual gaps behind the last key.

    A sampler slower than the person would be asked at once by that and nearly always in vain, so that one is asked
    no earlier than half a gap after the last key.
    """
    least = max(gap_s / 2, LEAST_S) if latency_s > gap_s else LEAST_S
    return min(max(gap_s * n_gaps - latency_s, least), MOST_S)


def eagerness(line_before: str, line_after: str) -> float:
    """After how many usual gaps between keys a suggestion is welcome."""
    if line_after.strip():
        return PATIENT
    if not line_before.strip() or line_before.endswith(TRIGGERS):
        return EAGER
    return PATIENT if line_before[-1].isalnum() or line_before.endswith("_") else EVEN
