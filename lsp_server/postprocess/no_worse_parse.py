"""Code that parsed before still parses afterwards."""

from __future__ import annotations

from lsp_server.context.query import Place
from lsp_server.postprocess.brackets import CLOSER_OF
from sampler.text.syntax import Syntax

MAX_PARSES = 8
MAX_ERRORS = 10
"""A document with more is none of the language that its grammar knows."""


def no_worse_parse(text: str, place: Place) -> str:
    """The most lines of `text` that bring no error into the document; nothing where its first line does."""
    syntax = place.syntax
    if syntax is None or not text.strip() or place.surroundings != "code" or syntax.n_errors > MAX_ERRORS:
        return text
    lines = text.split("\n")
    for n in range(len(lines), max(len(lines) - MAX_PARSES, 0), -1):
        shorter = "\n".join(lines[:n])
        if shorter.strip() and not _is_worse(shorter, syntax):
            return shorter
    return ""


def _is_worse(text: str, syntax: Syntax) -> bool:
    """A bracket that the text ends with is what the next line is for, so it counts as closed."""
    last = text.rstrip()[-1]
    return all(syntax.is_worse(one) for one in {text, text + CLOSER_OF.get(last, "")})
