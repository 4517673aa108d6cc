"""Letters that an edit leaves as they are: those beyond ASCII that nobody asked it to change.

A model writes such a letter in several tokens, each a part of its bytes. Where it changes one of them alone, another
letter comes out, or none at all. So what an edit does to a line that otherwise stays is taken back where it would
change a letter that the instruction does not name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TypeAlias

_Judge: TypeAlias = Callable[[str, str, bool], bool]
"""Whether to take a change back: old text, new text, and whether it begins or ends inside a word of the old one."""

SIMILAR = 0.7
"""Share of characters from which two lines count as one line before and after."""

_BROKEN = re.compile("[\udc80-\udcff]")
"""Bytes that are no whole character, as the error handler "surrogateescape" decodes them."""


@dataclass(frozen=True, slots=True)
class Letters:
    """The letters of the `old` code, and those that the `instruction` names."""

    old: str
    instruction: str = ""

    def kept(self, new: str) -> str:
        """`new` with the letters of the old code where it changes one that it was not asked to, or breaks one.

        Bytes of `new` that are no character are "surrogateescape"d; none are left.
        """
        if (self.old.isascii() and new.isascii()) or new == self.old:
            return new
        kept = "\n".join(self._kept_lines(new.split("\n")))
        return "".join(_reverted(self.old, kept, _is_broken)) if _BROKEN.search(kept) else kept

    def _kept_lines(self, new: list[str]) -> Iterator[str]:
        old = self.old.split("\n")
        for tag, i, j, a, b in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if tag == "replace":
                kept = list(self._kept_replaced(old[i:j], new[a:b]))
                yield from old[i:j] if self._are_foreign(old[i:j], kept) else kept
            else:
                yield from new[a:b]

    def _kept_replaced(self, old: list[str], new: list[str]) -> Iterator[str]:
        """Each new line with the letters of the first line, of those behind the last one met, that it comes from."""
        at = 0
        for line in new:
            found = next((i for i in range(at, len(old)) if _is_similar(old[i], line)), None)
            if found is None:
                yield line
            else:
                at = found + 1
                yield "".join(_reverted(old[found], line, self._is_unasked))

    def _are_foreign(self, old: list[str], new: list[str]) -> bool:
        """Whether lines beyond ASCII give way to letters that neither the old code nor the instruction has."""
        known = _beyond_ascii(self.old + self.instruction)
        return bool(_beyond_ascii("".join(old)) and _beyond_ascii("".join(new)) - known)

    def _is_unasked(self, old: str, new: str, is_inside_word: bool) -> bool:
        """Whether putting `new` in the place of `old`, within a line that stays, changes letters that nobody named."""
        named = set(self.instruction)
        strange = _beyond_ascii(new) - _beyond_ascii(self.old) - named
        lost = _beyond_ascii(old) - named
        if strange or not lost:
            return bool(strange)  # a broken byte is stranger than any letter
        if new.strip() or is_inside_word:
            return True
        return not any(c.isascii() and not c.isspace() for c in old)  # a whole comment or argument may go, no lone sign


def _is_broken(_old: str, new: str, _is_inside_word: bool) -> bool:
    return bool(_BROKEN.search(new))


def _reverted(old: str, new: str, is_wrong: _Judge) -> Iterator[str]:
    """`new` in pieces, with those of `old` where the change `is_wrong`."""
    for tag, i, j, a, b in _opcodes(old, new):
        if tag != "equal" and is_wrong(old[i:j], new[a:b], _is_cut(old, i) or _is_cut(old, j)):
            yield old[i:j]
        else:
            yield new[a:b]


def _opcodes(old: str, new: str) -> list[tuple[str, int, int, int, int]]:
    """The changes from `old` to `new`; what both begin and end with is not compared, which takes squared time."""
    n = min(len(old), len(new))
    head = next((i for i in range(n) if old[i] != new[i]), n)
    tail = next((i for i in range(n - head) if old[-1 - i] != new[-1 - i]), n - head)
    middle = SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail], autojunk=False)
    return [
        ("equal", 0, head, 0, head),
        *((tag, i + head, j + head, a + head, b + head) for tag, i, j, a, b in middle.get_opcodes()),
        ("equal", len(old) - tail, len(old), len(new) - tail, len(new)),
    ]


def _is_cut(text: str, at: int) -> bool:
    """Whether a word goes on over the place `at`."""
    return 0 < at < len(text) and _is_word(text[at - 1]) and _is_word(text[at])


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _is_similar(a: str, b: str) -> bool:
    matcher = SequenceMatcher(None, a.strip(), b.strip(), autojunk=False)
    return matcher.real_quick_ratio() >= SIMILAR and matcher.quick_ratio() >= SIMILAR and matcher.ratio() >= SIMILAR


def _beyond_ascii(text: Collection[str]) -> set[str]:
    return {character for character in text if not character.isascii()}
