"""What a text would leave wrong with the code around the place where it is written, as far as a grammar can tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

from sampler.text import excerpts
from sampler.text.syntax import Syntax, syntax_at
from sampler.text.windows import PREFIX_CHARACTERS, SUFFIX_CHARACTERS


@dataclass(frozen=True)
class SyntaxErrors:
    """The code around one place, parsed once for all that could be written there."""

    syntax: Syntax | None
    """None where no grammar knows the language: then nothing is a syntax error."""
    line_end: str = ""
    """What comes behind every text."""

    def left_by(self, text: str) -> int:
        """How much is wrong once `text` stands there."""
        return self.syntax.inserted(text + self.line_end).n_syntax_errors if self.syntax else 0

    def is_whole(self, text: str) -> bool:
        """Whether `text` brings no syntax error with it and takes away those that a line in its place can take away."""
        n_errors = self.left_by(text)
        return not n_errors or n_errors <= self._least  # most texts leave none, and then no plain line need be parsed

    @cached_property
    def _least(self) -> int:
        """What no line could help: the least of what plain ones leave, and none.

        Of Python, those are a statement and a head, each as far right as the line before and one level further, as far
        as the place's own line is not there yet; inside a line there is none.
        """
        if self.syntax is None or self.syntax.language != "python":
            return self.syntax.n_syntax_errors if self.syntax else 0
        before = self.syntax.source[: self.syntax.start].decode(errors="replace")
        last, own = before.rstrip().rpartition("\n")[2], before.rpartition("\n")[2]
        if own.strip():
            return self.syntax.n_syntax_errors
        indent = last[: len(last) - len(last.lstrip())]
        places = [at.removeprefix(own) for at in (indent, f"{indent}    ")]
        plain = [f"{at}{line}\n" for at in places for line in ("pass", "if _:")]
        return min(self.syntax.n_syntax_errors, *(self.syntax.inserted(line).n_syntax_errors for line in plain))


def excerpt_at(before: str, after: str, language: str) -> Syntax | None:
    """The syntax around a place in a part of a file: of what reads with the fewest syntax errors, most.

    What is shorter than any window was not cut, so that a bracket in it that is open was opened by a person.
    """

    @cache
    def read(start: int, end: int) -> Syntax | None:
        return syntax_at(before[start:], after[:end], language)

    def n_errors(start: int, end: int) -> int:
        found = read(start, end)
        return found.n_syntax_errors if found else 0

    ends = excerpts.ends(after, language) if len(after) > SUFFIX_CHARACTERS // 2 else [len(after)]
    starts = excerpts.starts(before, language) if len(before) > PREFIX_CHARACTERS // 2 else [0]
    end = _clearest(ends, lambda end: n_errors(0, end))
    start = _clearest(starts, lambda start: n_errors(start, end))
    end = _clearest(ends, lambda end: n_errors(start, end))
    return read(start, end)


def _clearest(edges: list[int], n_errors: Callable[[int], int]) -> int:
    """The first of the edges that leave the fewest syntax errors; one without any is not bettered."""
    best, least = edges[0], n_errors(edges[0])
    for edge in edges[1:]:
        if least and (n := n_errors(edge)) < least:
            best, least = edge, n
    return best
