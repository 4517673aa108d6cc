"""What is known of one document while suggestions are made for it: its last answers, and what is asked for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple

from lsp_server.completion.cache import Answer, Cache, Fill
from lsp_server.completion.record import Source
from lsp_server.context.query import Query


class Reply(NamedTuple):
    """An answer as it holds for a query: what is left of its fills there, and how it was had."""

    answer: Answer
    fills: tuple[Fill, ...]
    source: Source
    debounce_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """A request to the sampler on its way."""

    query: Query
    task: asyncio.Task[Reply]

    def is_for(self, query: Query) -> bool:
        """Whether its answer will be the answer to `query`."""
        return self._text_up_to(query) == "" and query.n_candidates <= self.query.n_candidates

    def is_ahead_of(self, query: Query) -> bool:
        """Whether somebody at `query` may still come to where it is for by typing or by accepting."""
        return self._text_up_to(query) is not None

    def _text_up_to(self, query: Query) -> str | None:
        """What has to be inserted at `query` to come to its place; None where that is impossible."""
        mine, other = self.query.snapshot.text, query.snapshot.text
        here, there = query.offset, self.query.offset
        if here > there or mine[:here] != other[:here] or mine[there:] != other[here:]:
            return None
        return mine[here:there]


@dataclass(eq=False, slots=True)
class DocumentState:
    """The state of one open document."""

    cache: Cache = field(default_factory=Cache)
    running: Run | None = None
    """What the person waits for."""
    preparing: Run | None = None
    """What nobody has asked for yet."""
    prepared_for: tuple[str, str] | None = None
    """What was before and after the cursor where it was prepared for last."""

    @property
    def runs(self) -> list[Run]:
        """All that is asked for at this moment."""
        return [run for run in (self.running, self.preparing) if run is not None]

    def supersede(self) -> None:
        """Cancel what the person waited for."""
        if self.running is not None:
            self.running.task.cancel()
        self.running = None

    def take_prepared(self, query: Query) -> Run | None:
        """What is being prepared, where that is what is wanted now; given up where it cannot be wanted any more."""
        run = self.preparing
        if run is not None and run.is_for(query):
            self.preparing = None
            return run
        if run is not None and not run.is_ahead_of(query):
            self.drop_prepared()
        return None

    def drop_prepared(self) -> None:
        """Cancel what is prepared, and prepare for the same place anew where it is wanted again."""
        self.prepared_for = None
        if self.preparing is not None:
            self.preparing.task.cancel()
        self.preparing = None

    def cancel(self) -> None:
        """Cancel all that is asked for."""
        self.supersede()
        self.drop_prepared()
