"""A cursor in a document, and why nothing is suggested there: restraint has a reason that can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath

from lsp_server.workspace.documents import Snapshot
from lsp_server.workspace.model_facts import ModelFacts
from lsp_server.workspace.privacy import refusal, secret_at
from lsp_server.workspace.settings import Settings
from lsp_server.workspace.switches import Switches


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A cursor in a document: where to suggest, and under which settings."""

    snapshot: Snapshot
    offset: int
    settings: Settings
    origin: int = 0
    """Where the document itself begins in the snapshot's text: cells of a notebook are read with the others."""
    path: PurePath
    """Of the document's file."""
    folders: tuple[PurePath, ...] = ()
    """Of the workspace."""
    invoked: bool = False
    """Asked for by hand: answered without delay, in any language, and however unsure the model is."""
    n_candidates: int = 1
    switches: Switches = field(default_factory=Switches)
    facts: ModelFacts = field(default_factory=ModelFacts)

    @property
    def confidence_floor(self) -> float:
        """The least confidence that is shown here."""
        if self.invoked:
            return 0.0
        own = self.settings.completion.confidence_floor
        return self.facts.confidence_floor if own is None else own


def silence(query: Query, now: float) -> str | None:
    """Why nothing is suggested here, in one sentence, or None; secrets stay private even when asked by hand."""
    text = query.snapshot.text
    if reason := refusal(query.path, text, query.folders, by_hand=query.invoked) or secret_at(text, query.offset):
        return reason
    if query.invoked:
        return None
    language = query.snapshot.language
    if reason := query.switches.why_off(query.settings.completion, language, now):
        return reason
    if query.facts.languages and language not in query.facts.languages:
        return f"The model was made for {', '.join(query.facts.languages)}, not for {language!r}."
    return None
