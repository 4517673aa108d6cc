"""Why nothing is suggested at a cursor: restraint has a reason that can be told."""

from __future__ import annotations

from lsp_server.context.query import Query
from lsp_server.workspace.privacy import refusal, secret_at


def gate(query: Query, now: float) -> str | None:
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
