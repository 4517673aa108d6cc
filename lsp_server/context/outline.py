"""What a window on a long document leaves out and a reader still needs: its imports, and the heads of the scopes that
the cursor stands in.

By lines and indentation, so that every language has it, and stable while one types: it depends on nothing that
stands in the window.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sampler.text.windows import PREFIX_CHARACTERS, prefix_window

IMPORT_CHARACTERS = 300
SCOPE_CHARACTERS = 200
IMPORTS_WITHIN = 20_000
"""Characters at the beginning of a document in which its imports stand."""

SCOPES_WITHIN = 60_000
"""Characters above a window in which the heads of its scopes are looked for."""

_IMPORT = re.compile(r"^(?:import|from|use|using|require|#[ \t]*include|const \w+ = require)\b.*", re.M)
_WRITTEN = re.compile(r"^[ \t]*[^\s)\]}].*", re.M)
_SCOPE = re.compile(
    r"\s*(?:(?:export|default|public|private|protected|static|abstract|async|pub)\s+)*"
    r"(?:def|class|function|func|fn|impl|trait|interface|struct|enum|module|namespace|type)\b"
)


def outlined(before: str, budget: int = PREFIX_CHARACTERS) -> str:
    """The window of at most `budget` characters on the text before a cursor, and above it what the window leaves out.

    What is left out does not take from the budget: a window that is shorter for it was measured to be worse.
    """
    window = prefix_window(before, budget)
    hidden = before[: len(before) - len(window)]
    return imports(hidden) + scopes(hidden, window) + window


def imports(hidden: str) -> str:
    """The import lines of `hidden`, the last ones where they are too many."""
    return _last_lines(_IMPORT.findall(hidden[:IMPORTS_WITHIN]), IMPORT_CHARACTERS)


def scopes(hidden: str, window: str) -> str:
    """The heads in `hidden` of the classes and functions that the first line of `window` stands in, outermost first."""
    limit = _indent(next((line for line in window.split("\n") if line.strip()), ""))
    heads: list[str] = []
    for line in reversed(_WRITTEN.findall(hidden[-SCOPES_WITHIN:]) if limit else ()):
        if limit == 0:
            break
        if _indent(line) < limit:
            limit = _indent(line)
            if _SCOPE.match(line):
                heads.insert(0, line)
    return _last_lines(heads, SCOPE_CHARACTERS)


def _last_lines(lines: Iterable[str], budget: int) -> str:
    kept: list[str] = []
    for line in reversed(list(lines)):
        budget -= len(line) + 1
        if budget < 0:
            break
        kept.insert(0, line)
    return "".join(f"{line}\n" for line in kept)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
