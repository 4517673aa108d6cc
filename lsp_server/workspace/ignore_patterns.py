"""Patterns of ignore files, matched as git matches them (gitignore(5)), in time linear in the name.

A star takes as little as will do, and what it took is never given back: of a pattern whose parts between the stars have
fixed lengths, the leftmost match of each part is as good as any other. So no pattern can be written that backtracks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

MAX_PATTERNS = 5_000
"""Of all files that speak of one path."""
MAX_LENGTH = 1_000
"""Characters of a pattern; a longer one is no pattern that a person wrote."""
_POSIX = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
_ANY = re.compile("", re.S)


class BadPattern(ValueError):
    """A line that is no pattern."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line. `components` are matched with the names of a path; None stands for `**`, any number of them."""

    components: tuple[re.Pattern[str] | None, ...]
    excludes: bool
    is_anchored: bool
    for_folders: bool

    def matches(self, names: Sequence[str], is_folder: bool) -> bool:
        """Whether the pattern is about the path of these names itself, not about a folder that it lies in."""
        if self.for_folders and not is_folder:
            return False
        return _walk(self.components, names if self.is_anchored else names[-1:])


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns of one file: the last that matches decides."""

    patterns: tuple[Pattern, ...]
    is_cut: bool = False
    """Whether there were more than are read."""

    def decide(self, relative: str) -> bool | None:
        """Whether they exclude (True) or bring back (False) a path, None where they say nothing.

        What lies in a folder that is excluded is excluded.
        """
        names, decision = _bytewise(relative).split("/"), None
        for n in range(1, len(names) + 1):
            found = self._last(names[:n], n < len(names))
            decision = decision if found is None else found
            if decision:
                return True
        return decision

    def _last(self, names: Sequence[str], is_folder: bool) -> bool | None:
        matching = (p.excludes for p in reversed(self.patterns) if p.matches(names, is_folder))
        return next(matching, None)


NONE = Patterns(())


def parse(lines: Iterable[str]) -> tuple[Patterns, list[str]]:
    """The patterns of a file's lines, and the lines that are none."""
    found, bad = list[Pattern](), list[str]()
    for line in lines:
        if len(found) == MAX_PATTERNS:
            return Patterns(tuple(found), is_cut=True), bad
        try:
            pattern = _pattern(_bytewise(line))
        except BadPattern:
            bad.append(line)
        else:
            found += [pattern] if pattern else []
    return Patterns(tuple(found)), bad


def _bytewise(text: str) -> str:
    """A character for each byte: of a letter beyond ASCII git counts several signs."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _pattern(line: str) -> Pattern | None:
    """None for a comment or a line of blanks."""
    text = _stripped(line.rstrip("\r\n"))
    if not text or text.startswith("#"):
        return None
    excludes = not text.startswith("!")
    text = text if excludes else text[1:]
    body = text.removesuffix("/")
    if not body.strip("/") or len(body) > MAX_LENGTH or _ends_escaping(body):
        raise BadPattern(line)
    names = body.removeprefix("/").split("/")
    components = [None if name == "**" and len(names) > 1 else _compiled(name) for name in names]
    if components[-1] is None:
        components.append(_compiled("*"))  # what lies below, not the folder itself
    return Pattern(tuple(components), excludes, "/" in body, text.endswith("/"))


def _stripped(line: str) -> str:
    """Without blanks at the end, unless they are escaped."""
    bare = line.rstrip(" \t")
    return bare + line[len(bare) : len(bare) + 1] if _ends_escaping(bare) else bare


def _ends_escaping(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _compiled(name: str) -> re.Pattern[str]:
    first, *rest = _between_stars(name)
    if not rest:
        return re.compile(f"{first}\\Z", re.S)
    *middle, last = rest
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle if part) + f".*{last}\\Z", re.S)


def _between_stars(name: str) -> list[str]:
    """Regular expressions of fixed length for what stands between the stars of one name."""
    parts, at = [""], 0
    while at < len(name):
        expression, at = _one(name, at)
        if expression is None:
            parts.append("")
        else:
            parts[-1] += expression
    return parts


def _one(name: str, at: int) -> tuple[str | None, int]:
    """The expression of the sign at `at`, None for a star, and where the next one stands."""
    sign = name[at]
    if sign == "*":
        return None, at + 1
    if sign == "?":
        return ".", at + 1
    if sign == "\\":
        return re.escape(name[at + 1 : at + 2]), at + 2
    if sign == "[" and (end := _end_of_class(name, at)):
        return _class(name[at + 1 : end]), end + 1
    return re.escape(sign), at + 1


def _end_of_class(name: str, at: int) -> int | None:
    """Where the bracket that opens at `at` closes; one right behind it is a member."""
    start = at + 1 + name.startswith(("!", "^"), at + 1)
    end = re.compile(r"\]?(?:\[:\w+:\]|\\.|[^\]\\])*+\]", re.S).match(name, start)
    return end.end() - 1 if end else None


def _class(body: str) -> str:
    is_negated = body.startswith(("!", "^"))
    members = "".join(_members(body[is_negated:]))
    try:
        re.compile(f"[{members}]")
    except re.error:
        raise BadPattern(body) from None
    return f"[{'^' if is_negated else ''}{members}]"


def _members(body: str) -> Iterator[str]:
    for found in re.finditer(r"\[:(\w+):\]|\\(.)|(.)", body, re.S):
        if found[1]:
            yield _POSIX.get(found[1], "")
        elif found[2]:
            yield re.escape(found[2])
        else:
            yield "-" if found[3] == "-" and 0 < found.start() < len(body) - 1 else re.escape(found[3])


def _walk(components: Sequence[re.Pattern[str] | None], names: Sequence[str]) -> bool:
    """Whether the components match all of the names; the last `**` is the only one that ever has to give way."""
    i = j = 0
    star, mark = -1, 0
    while j < len(names):
        component = components[i] if i < len(components) else _ANY
        if component is None:
            star, mark, i = i, j, i + 1
        elif i < len(components) and component.match(names[j]):
            i, j = i + 1, j + 1
        elif star >= 0:
            i, j, mark = star + 1, mark + 1, mark + 1
        else:
            return False
    return all(component is None for component in components[i:])
