"""A request on its way through the sampler: who hears of it, and its rows at work."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sampler.decoding.denoise import Row
from sampler.model.checkpoint import LoadedModel
from sampler.protocol.messages import CacheMiss, Event, Failure, InfillRequest, InfillResult, Progress

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Job:
    """A request on its way: who hears of it, since when, and its rows once it has been admitted."""

    request: InfillRequest
    on_event: Callable[[Event], None]
    received: float = field(default_factory=time.monotonic)
    load_s: float = 0.0
    is_cancelled: bool = False
    is_done: bool = False
    model: LoadedModel | None = None
    rows: list[Row] = field(default_factory=list)
    tokens_computed: int = 0
    cache_miss: CacheMiss = "uncached"
    is_strange: bool = False
    """Whether an edit is asked for in words that the model does not know, so that no confidence in it counts."""
    shown: Progress | None = None

    @property
    def client(self) -> str:
        """Who asks: documents are named by the process that has them open, as in "4711 file:///a.py"."""
        return self.request.document.removeprefix("edit ").partition(" ")[0]

    def cancel(self) -> None:
        """Leave at the next control point; may be called from any thread, at any time."""
        self.is_cancelled = True

    def is_late(self, now: float) -> bool:
        """Whether the deadline has passed."""
        deadline = self.request.deadline_ms
        return deadline is not None and (now - self.received) * 1000 >= deadline

    def tell(self, event: Event) -> None:
        """Pass an event on; a listener that fails has lost interest."""
        try:
            self.on_event(event)
        except Exception:
            _log.exception("a listener failed; its request is dropped")
            self.is_cancelled = True

    def end(self, event: InfillResult | Failure) -> None:
        """The last event; rows, and with them the tails, are let go."""
        if not self.is_done:
            self.is_done, self.rows = True, []
            self.tell(event)
