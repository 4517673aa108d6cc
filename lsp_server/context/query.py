"""Where something is asked for: a cursor in a document, under which settings, and what stands around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath

from lsp_server.workspace.documents import Snapshot, without_halves
from lsp_server.workspace.model_facts import ModelFacts
from lsp_server.workspace.settings import Settings
from lsp_server.workspace.switches import Switches
from sampler.text.lexing import Surroundings, lexed_at
from sampler.text.line_ends import unix_lines
from sampler.text.syntax import Reading, Syntax, syntax_at

LINE_GOES_ON = (":", "{", "(", "[", ",", "\\", ">", ";")
"""Signs after which a statement, or the next one, belongs on the next line."""

LINE_CHARACTERS = 4000
LINES_CHARACTERS = 40_000
"""On each side of the cursor, of its line and of the lines around it, what the text filters look at."""


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
