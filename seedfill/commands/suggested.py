"""What an editor would suggest unasked at the cursors of infilling tasks, and whether the text goes on so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath

from lsp_server.completion.cache import Fill, shown_of
from lsp_server.context.context import infill_request
from lsp_server.context.query import Place, place_at
from lsp_server.postprocess import FILTERS, Filter, verdict
from lsp_server.workspace.documents import Snapshot
from lsp_server.workspace.settings import CompletionSettings, Settings
from sampler.protocol.messages import Candidate, Failure, InfillRequest, Policy
from seedfill.errors import CommandError
from seedfill.evaluation.infill import Submitter, wait_for
from seedfill.evaluation.tasks import InfillTask


@dataclass(frozen=True, kw_only=True)
class Suggested:
    """What the model wrote at a place where the text goes on with `gold`."""

    place: Place
    gold: str
    candidate: Candidate

    def filtered(self, filters: tuple[Filter, ...]) -> Fill | None:
        """What is shown of it, as far as it is worth showing; None for nothing."""
        is_cut = self.candidate.finish == "length"
        found = verdict(self.candidate.fills[0], self.place, filters, is_cut=is_cut)
        return shown_of(self.candidate, found, self.place).part(0.0) if found.shown else None

    @cached_property
    def fill(self) -> Fill | None:
        """What an editor shows, and how sure the model is of it, by which an editor decides whether to show it."""
        return self.filtered(FILTERS)

    @property
    def shown(self) -> str:
        """What an editor shows, empty for nothing."""
        return self.fill.text if self.fill else ""

    @property
    def certainty(self) -> float:
        """How sure the model is of what is shown, by which an editor decides whether to show it."""
        return self.fill.certainty if self.fill else 0.0

    @property
    def is_right(self) -> bool:
        """Whether what is shown is what the text goes on with."""
        return bool(self.shown) and self.goes_on_with(self.shown)

    def goes_on_with(self, text: str) -> bool:
        """Whether `text` is what stands there."""
        return (self.gold + self.place.after).startswith(text)


def suggest(
    engine: Submitter,
    tasks: Sequence[InfillTask],
    *,
    max_tokens: int = 64,
    policy: Policy | None = None,
    on_answer: Callable[[], None] = lambda: None,
) -> list[Suggested]:
    """A suggestion for each task, in their order; raises CommandError where the model cannot answer.

    There is no deadline: what a slow machine leaves out says nothing of the model.
    """
    settings = Settings(completion=CompletionSettings(max_tokens=max_tokens, deadline_ms=0))
    found = []
    for task in tasks:
        place = place_at(task.prompt + task.suffix, len(task.prompt), task.language)
        snapshot = Snapshot(uri=task.task_id, language=task.language, version=0, text="")
        request = infill_request(snapshot, place, settings, client="eval", path=PurePosixPath(task.problem).name)
        candidate = _ask(engine, replace(request, policy=policy))
        found.append(Suggested(place=place, gold=task.gold, candidate=candidate))
        on_answer()
    return found


def _ask(engine: Submitter, request: InfillRequest) -> Candidate:
    event = wait_for(engine, request)
    if isinstance(event, Failure):
        raise CommandError(event.message)
    return event.candidates[0]
