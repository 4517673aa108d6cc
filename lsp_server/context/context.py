"""From a document and a cursor to a request: what the model gets to see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from lsp_server.context.outline import outlined
from lsp_server.context.snippets import snippets_cost
from lsp_server.workspace.documents import Snapshot, without_halves
from lsp_server.workspace.settings import Settings
from sampler.protocol.messages import InfillRequest, Snippet
from sampler.text.lexing import Surroundings, lexed_at
from sampler.text.line_ends import unix_lines
from sampler.text.syntax import Reading, Syntax, syntax_at
from sampler.text.windows import PREFIX_CHARACTERS, suffix_window

LINE_GOES_ON = (":", "{", "(", "[", ",", "\\", ">", ";")
"""Signs after which a statement, or the next one, belongs on the next line."""

LINE_CHARACTERS = 4000
LINES_CHARACTERS = 40_000
"""On each side of the cursor, of its line and of the lines around it, what the text filters look at."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What stands around a cursor, as the model and the text filters see it: the whole document, with lines that end
    at "\\n".
    """

    before: str
    after: str
    language: str = "plaintext"

    @cached_property
    def line_before(self) -> str:
        """The part of the cursor's line before it, of a very long one the end."""
        within = max(len(self.before) - LINE_CHARACTERS, 0)
        return self.before[max(self.before.rfind("\n", within) + 1, within) :]

    @cached_property
    def line_after(self) -> str:
        """The part of the cursor's line after it, of a very long one the beginning."""
        return self.after[:LINE_CHARACTERS].partition("\n")[0]

    @property
    def inside_line(self) -> bool:
        """Whether something other than blanks follows on the cursor's line."""
        return bool(self.line_after.strip())

    @cached_property
    def syntax(self) -> Syntax | None:
        """What a grammar says of the place; None for a language without one."""
        return syntax_at(self.before, self.after, self.language)

    @cached_property
    def reading(self) -> Reading:
        """Where strings, comments and brackets are: what its grammar says, else what the forms of its language do."""
        syntax = self.syntax
        return syntax if syntax and syntax.knows_brackets else lexed_at(self.before, self.after, self.language)

    @cached_property
    def surroundings(self) -> Surroundings:
        """Whether the cursor stands in code, in a string, in a text of several lines or in a comment."""
        return (self.syntax or self.reading).surroundings

    @property
    def is_confined(self) -> bool:
        """Whether there is room for one line only: text follows on it, or it is a string or a comment."""
        return self.inside_line or self.surroundings in ("string", "comment")

    @property
    def one_line(self) -> bool:
        """Whether one line is what is wanted unasked: confined to it, or to finish the statement begun on it."""
        begun = self.line_before.rstrip()
        is_begun = bool(begun) and self.surroundings == "code" and not begun.endswith(LINE_GOES_ON)
        return self.is_confined or is_begun

    def lines_above(self, n: int) -> list[str]:
        """The last `n` lines above the cursor's, in order."""
        return self.before[-LINES_CHARACTERS:].rsplit("\n", n + 1)[-n - 1 : -1]

    def lines_below(self, n: int) -> list[str]:
        """The first `n` lines below the cursor's."""
        return self.after[:LINES_CHARACTERS].split("\n", n + 1)[1 : n + 1]


def place_at(text: str, offset: int, language: str = "plaintext") -> Place:
    """The place at `offset` of a document."""
    before, after = (without_halves(unix_lines(part)) for part in (text[:offset], text[offset:]))
    return Place(before=before, after=after, language=language)


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


def path_in_workspace(path: PurePath, folders: Iterable[PurePath]) -> str:
    """`path` from the innermost of `folders` that holds it, else its name; always with forward slashes."""
    inside = [path.relative_to(folder) for folder in folders if path.is_relative_to(folder)]
    return min(inside, key=lambda relative: len(relative.parts), default=PurePath(path.name)).as_posix()
