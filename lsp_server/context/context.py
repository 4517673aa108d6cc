"""From a place to a request: what the model gets to see."""

from __future__ import annotations

from lsp_server.context.outline import outlined
from lsp_server.context.query import Place
from lsp_server.context.snippets import snippets_cost
from lsp_server.workspace.documents import Snapshot
from lsp_server.workspace.settings import Settings
from sampler.protocol.messages import InfillRequest, Snippet
from sampler.text.windows import PREFIX_CHARACTERS, suffix_window


def infill_request(
    snapshot: Snapshot,
    place: Place,
    settings: Settings,
    *,
    client: str,
    path: str,
    snippets: tuple[Snippet, ...] = (),
    by_hand: bool = False,
) -> InfillRequest:
    """The request for what belongs at `place`; `client` tells this server's documents from another's.

    Snippets take their room from what stands before the cursor. A statement that was begun is finished on its line,
    which is soon done, or asked for `by_hand` on as many as it takes.
    """
    completion = settings.completion
    return InfillRequest(
        document=f"{client} {snapshot.uri}",
        pieces=(outlined(place.before, PREFIX_CHARACTERS - snippets_cost(snippets)), suffix_window(place.after)),
        language=snapshot.language,
        path=path,
        snippets=snippets,
        max_tokens=completion.max_tokens,
        one_line=place.is_confined if by_hand else place.one_line,
        wants_text=by_hand,
        forks=by_hand,
        deadline_ms=completion.deadline_ms or None,
        model=settings.sampler.model,
    )
