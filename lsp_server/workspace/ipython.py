"""What IPython adds to Python in a notebook's cell: magics, commands of a shell, questions.

Where they count is as in IPython's `inputtransformer2`: a cell's magic on its first line that is not blank, a line's
where a statement could begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sampler.text.lexing import tokens

PYTHON_MAGICS = frozenset({"time", "timeit", "capture", "prun", "debug", "memit", "mprun", "lprun", "pyinstrument"})
"""Of a cell that is Python all the same, and what is done with it."""
LANGUAGE_OF_MAGIC = {
    **dict.fromkeys(("bash", "sh", "script", "system", "sx", "!"), "shellscript"),
    **dict.fromkeys(("javascript", "js"), "javascript"),
    **dict.fromkeys(("html", "svg"), "html"),
    **dict.fromkeys(("python", "python2", "python3", "pypy", "cython"), "python"),
    **{"markdown": "markdown", "latex": "latex", "perl": "perl", "ruby": "ruby", "sql": "sql", "r": "r"},
}
"""Of a cell that is none of the notebook's code; "plaintext" where it is not known."""
_CELL_MAGIC = re.compile(r"\s*%%(\w+|!)(?!\w|\?)[^\n]*\n?")
_MAY_BE = re.compile(r"^[ \t]*[%!?,;/]|\?[ \t]*\r?$", re.M)
_LINE_END = re.compile(r"(?<!\\)(?<!\\\r)\n")
_WRITTEN = re.compile(r"^([ \t]*)(?=\S)", re.M)
_FIRST = re.compile(r"^([ \t]*)\S", re.M)
_COMMAND = re.compile(r"[ \t]*(?:[%!?,;/]|[\w.*]+\?{1,2}[ \t]*\r?$)", re.M)
"""A line that only a notebook knows: a magic, a command of a shell, a question, a call without brackets."""


def language_of(cell: str, language: str) -> str | None:
    """The language of a Python notebook's cell that a magic hands to another program; None where it is the notebook's.

    That magic stands on the first line that is not blank, as IPython has it (`inputtransformer2`), or below such as
    only time what is Python.
    """
    magic = _cell_magic(cell, language)
    while magic is not None and magic[1] in PYTHON_MAGICS:
        cell = cell[magic.end() :]
        magic = _cell_magic(cell, language)
    return None if magic is None else LANGUAGE_OF_MAGIC.get(magic[1].lower(), "plaintext")


def _cell_magic(cell: str, language: str) -> re.Match[str] | None:
    return _CELL_MAGIC.match(cell) if language == "python" else None


def as_code(text: str) -> str:
    """A Python cell with the commands that only a notebook knows as comments.

    One stands where a statement could begin: not in a string or between brackets, and not on a line that goes on from
    the one before. What a command's own line goes on to belongs to it.
    """
    return _commented(text, _WRITTEN, r"\1# ").strip("\n")


def hidden(text: str) -> str:
    """A Python cell with its commands as comments of the same length, so that all else stands where it stood."""
    return _commented(text, _FIRST, r"\1#")


def _commented(text: str, line: re.Pattern[str], comment: str) -> str:
    pieces, at = list[str](), 0
    for start, end in _commands(text) if _MAY_BE.search(text) else ():
        pieces += text[at:start], line.sub(comment, text[start:end])
        at = end
    return "".join([*pieces, text[at:]])


def _commands(text: str) -> Iterator[tuple[int, int]]:
    """From where to where commands stand: their lines whole, whatever they hold of brackets and quotes."""
    waiting, at = _Ahead(text), 0
    while at < len(text):
        if _COMMAND.match(text, at):
            end = _line_end(text, at)
            yield at, end
            waiting.skip(end)
        else:
            end = _statement_end(text, at, waiting)
        at = end


class _Ahead:
    """The tokens of a text with the next one known."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text, "python")
        self.token = next(self._tokens, None)

    def step(self) -> None:
        """On to the one behind it."""
        self.token = next(self._tokens, None)

    def skip(self, end: int) -> None:
        """Past what begins before character `end`; what would go on behind it is none."""
        while self.token is not None and self.token.start < end:
            if self.token.end > end:
                self._tokens = tokens(self._text, "python", end)
            self.step()


def _statement_end(text: str, start: int, waiting: _Ahead) -> int:
    """The end of the first line that ends outside of strings and brackets."""
    end, depth = start, 0
    while token := waiting.token:
        if depth == 0 and (found := _LINE_END.search(text, end, token.start)):
            return found.end()
        if token.kind == "code":
            depth = max(depth + (1 if token.opened in "([{" else -1), 0)
        end = token.end
        waiting.step()
    return len(text) if depth else _line_end(text, end)


def _line_end(text: str, start: int) -> int:
    """Where a line has ended that goes on at `start`, backslashes before line ends looked through."""
    found = _LINE_END.search(text, start)
    return found.end() if found else len(text)
