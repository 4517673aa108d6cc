"""What a grammar says of the code around a cursor: errors, the ends of statements and blocks, strings, brackets.

A language without a grammar gives None, and whoever asks falls back on `lexing`, lines and indentation. Offsets count
characters.

Only a window around the cursor is parsed (`windows.parsed_start`, `parsed_end`), and what an insertion changes is
parsed incrementally on top of it, so that a document of any length costs the same few milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from sampler.text.grammars import BLOCKS, ROOTS, descendants, is_syntax_error, line_of_error, parser_for
from sampler.text.language_errors import LanguageErrors, language_errors
from sampler.text.lexing import Lexed, Part, Surroundings, tokens
from sampler.text.windows import parsed_end, parsed_start

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

_QUOTE = re.compile(rb"\"{3}|'{3}|[\"'`]")
_SEVERAL = re.compile(r"[$<>]*([()\[\]{}]{1,2})")
"""A node that opens or closes one bracket or two, such as the `${` of a template and the `((` of a shell."""
_STRINGS = frozenset({"string", "string_literal", "template_string", "char_literal", "raw_string"})
_INTERPOLATIONS = frozenset({"interpolation", "template_substitution", "command_substitution", "expansion"})
_UNQUOTED: dict[str, Surroundings] = {
    "ansi_c_string": "string",
    "regex": "string",
    "heredoc_body": "text",
    "raw_string_literal": "text",
}
"""Strings that are closed by something else than quotes, and their surroundings."""
_WITHOUT_BRACKETS = frozenset({"markdown"})
"""Languages whose grammar knows none."""
_UNREAD = frozenset({"preproc_arg"})
"""Code that the grammar leaves as it is."""


@dataclass(frozen=True)
class Syntax:
    """A parsed window around a cursor, or around the text that was inserted there."""

    language: str
    tree: Tree
    source: bytes
    start: int
    """Byte of the cursor, which is where an insertion begins."""
    end: int
    """Byte behind the insertion; `start` where there is none."""
    _insertions: dict[str, Syntax] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def n_errors(self) -> int:
        """How many times the grammar had to skip something or to suppose something that is missing."""
        return sum(map(is_syntax_error, _with_errors(self.tree.root_node)))

    @cached_property
    def _beyond_grammar(self) -> LanguageErrors:
        return language_errors(self.tree.root_node, self.language)

    @property
    def error_lines(self) -> list[int]:
        """The line, from 0, of each error, in order, those among them that a grammar lets pass."""
        wrong = map(line_of_error, filter(is_syntax_error, _with_errors(self.tree.root_node)))
        return sorted([*wrong, *chain(*self._beyond_grammar)])

    def is_worse(self, text: str) -> bool:
        """Whether `text` would bring an error with it; a head without a block is none, as the block may come next."""
        found = self.inserted(text)
        n_misplaced = len(found._beyond_grammar.misplaced)
        return found.n_errors > self.n_errors or n_misplaced > len(self._beyond_grammar.misplaced)

    @property
    def n_syntax_errors(self) -> int:
        """How many these are."""
        return self.n_errors + sum(map(len, self._beyond_grammar))

    @property
    def knows_brackets(self) -> bool:
        """Whether the grammar tells brackets of code from those of comments and strings where the cursor stands."""
        leaves = (self._leaf(max(self.start - 1, 0)), self._leaf(self.start))
        return self.language not in _WITHOUT_BRACKETS and all(
            leaf is None or leaf.type not in _UNREAD for leaf in leaves
        )

    @property
    def n_before(self) -> int:
        """Characters of the window before the cursor."""
        return self._characters(0, self.start)

    @cached_property
    def surroundings(self) -> Surroundings:
        """What the cursor stands in; a string or a comment that is not closed yet counts."""
        for node in self._around():
            if "comment" in node.type and node.start_byte < self.start and self._holds_cursor(node):
                return "comment"
            if node.type in _UNQUOTED and node.start_byte < self.start < node.end_byte:
                return _UNQUOTED[node.type]
        if self.quote is None:
            return "code"
        return "text" if len(self.quote) == 3 or self.quote == "`" else "string"

    @cached_property
    def quote(self) -> str | None:
        """What opened the string that the cursor stands in; None outside of strings."""
        if self._string is not None:
            return _quote_at(self.source, self._string.start_byte)
        return self._open_quote()

    @property
    def closing(self) -> str:
        """What closes that string."""
        return self.quote or ""

    @cached_property
    def string_end(self) -> int | None:
        """Characters of the insertion up to the quotes that close the string around the cursor; None if it has none."""
        string, quote = self._string, (self.quote or "").encode()
        if string is None or not self.source[: string.end_byte].endswith(quote):
            return None
        at = string.end_byte - len(quote)
        is_inside = self.start <= at and string.end_byte <= self.end
        return self._characters(self.start, at) if is_inside else None

    @property
    def at_end(self) -> Syntax:
        """The same with the cursor behind the insertion."""
        return Syntax(self.language, self.tree, self.source, self.end, self.end)

    @cached_property
    def _string(self) -> Node | None:
        """The string that the cursor stands in, as far as the grammar paired its quotes."""
        node = next((node for node in self._around() if _is_string(node)), None)
        if node is None or not node.start_byte < self.start < node.end_byte:
            return None
        quote = _QUOTE.search(self.source, node.start_byte)  # letters such as the f of an f-string stand before it
        return node if quote is None or quote.start() < self.start else None

    def _around(self) -> Iterator[Node]:
        """The nodes around the cursor, innermost first, up to code that stands in a string."""
        node = self._leaf(max(self.start - 1, 0))
        while node is not None and not self._is_code_around(node):
            yield node
            node = node.parent

    def _is_code_around(self, node: Node) -> bool:
        """Whether it is code in a string, and the cursor stands in it."""
        is_closed = self.source[: node.end_byte].endswith((b"}", b")"))
        return node.type in _INTERPOLATIONS and node.start_byte < self.start < node.end_byte + (not is_closed)

    def brackets(self, part: Part) -> list[tuple[str, int]]:
        """The brackets of code before, inside or after the insertion, or all, with their characters' numbers."""
        n = len(self.source)
        edges = {"before": (0, self.start), "inside": (self.start, self.end), "after": (self.end, n), "all": (0, n)}
        first, last = edges[part]
        nodes = descendants(self.tree.root_node, lambda node: node.start_byte < last and node.end_byte > first)
        found = [bracket for node in nodes if first <= node.start_byte for bracket in _brackets_of(node)]
        place, places = first, list[int]()
        for _, byte in found:
            places.append(self._characters(place, byte) + (places[-1] if places else 0))
            place = byte
        return [(bracket, at) for (bracket, _), at in zip(found, places, strict=True)]

    def inserted(self, text: str) -> Syntax:
        """What becomes of it when `text` is inserted at the cursor; filters that ask for the same text share it."""
        if text not in self._insertions:
            self._insertions[text] = _inserted(self, text)
        return self._insertions[text]

    @cached_property
    def statement_end(self) -> int | None:
        """Characters of the insertion up to the end of the statement that the cursor stands in.

        None where that statement does not end inside the insertion.
        """
        statement = self._statement()
        return None if statement is None else self._end_inside(statement)

    @cached_property
    def opens_block(self) -> bool:
        """Whether the insertion begins, on a line of its own, with a statement of a block whose head stands there."""
        statement = self._statement()
        head = statement and statement.parent and statement.parent.parent
        if not head or b"\n" not in self.source[self.start : self._first_byte()]:
            return False
        return self.source.rfind(b"\n", 0, self.start) < head.start_byte < self.start

    @cached_property
    def block_end(self) -> int | None:
        """Characters of the insertion up to the end of the block that the cursor stands in; None where it goes on."""
        node = self._leaf(self._first_byte())
        while node is not None and not self._is_around(node):
            node = node.parent
        return None if node is None or node.type in ROOTS else self._end_inside(node)

    def _statement(self) -> Node | None:
        node = self._leaf(self._first_byte())
        while node is not None and node.parent is not None and node.parent.type not in BLOCKS:
            node = node.parent
        return None if node is None or node.parent is None or node.is_error else node

    def _is_around(self, node: Node) -> bool:
        """Whether it is a block that the insertion did not open; Python's begins with its first statement."""
        return node.type == "block" or (node.type in BLOCKS and node.start_byte < self._first_byte())

    def _end_inside(self, node: Node) -> int | None:
        end = self.start + len(self.source[self.start : node.end_byte].rstrip())
        return self._characters(self.start, end) if self.start < end < self.end else None

    def _first_byte(self) -> int:
        """The first byte of the insertion that is not blank."""
        inside = self.source[self.start : self.end]
        return self.start + len(inside) - len(inside.lstrip())

    def _leaf(self, byte: int) -> Node | None:
        return self.tree.root_node.descendant_for_byte_range(byte, byte)

    def _holds_cursor(self, comment: Node) -> bool:
        """A comment of one line goes on to the end of its line, one between signs up to the closing sign."""
        closed = self.source[: comment.end_byte].endswith((b"*/", b"-->"))
        return self.start < comment.end_byte if closed else b"\n" not in self.source[comment.end_byte : self.start]

    def _open_quote(self) -> str | None:
        """The last quote before the cursor that the grammar could not pair, where it opens a string."""
        wrong = [node for node in _with_errors(self.tree.root_node) if node.is_error]
        starts = [child.start_byte for node in wrong for child in node.children if _is_quote(child)]
        before = [start for start in starts if start < self.start]
        if not before:
            return None
        rest = self.source[max(before) : self.start].decode(errors="replace")
        string = next((token for token in tokens(rest, self.language) if token.kind != "code"), None)
        is_open = string is not None and string.closed is None and string.end == len(rest)
        return _quote_at(self.source, max(before)) if is_open else None

    def _characters(self, start: int, end: int) -> int:
        return len(self.source[start:end].decode(errors="replace"))


Reading: TypeAlias = Syntax | Lexed
"""What is known of strings, comments and brackets in every language."""


def error_lines(text: str, language: str) -> list[int]:
    """The line, from 0, of each syntax error of a whole text, in order; empty without a grammar."""
    parser = parser_for(language)
    if parser is None:
        return []
    source = text.encode("utf-8", "replace")
    return Syntax(language, parser.parse(source), source, 0, 0).error_lines


def syntax_at(before: str, after: str, language: str) -> Syntax | None:
    """The syntax around the place between `before` and `after`; None for a language without a grammar."""
    parser = parser_for(language)
    if parser is None:
        return None
    head = before[parsed_start(before, language) :].encode(errors="replace")
    tail = after[: parsed_end(after)].encode(errors="replace")
    source = head + tail
    return Syntax(language, parser.parse(source), source, len(head), len(head))


def _inserted(syntax: Syntax, text: str) -> Syntax:
    """Parsed on top of the tree without it: only what the insertion touches is parsed again."""
    parser = parser_for(syntax.language)
    assert parser is not None
    piece = text.encode(errors="replace")
    at, end = syntax.start, syntax.start + len(piece)
    source = syntax.source[:at] + piece + syntax.source[at:]
    tree = syntax.tree.copy()
    point = _point(source, at)
    tree.edit(at, at, end, point, point, _point(source, end))
    return Syntax(syntax.language, parser.parse(source, tree), source, at, end)


def _point(source: bytes, byte: int) -> tuple[int, int]:
    line_start = source.rfind(b"\n", 0, byte) + 1
    return source.count(b"\n", 0, byte), byte - line_start


def _with_errors(root: Node) -> Iterator[Node]:
    """The nodes that are or hold an error, in order."""
    return descendants(root, lambda node: node.has_error)


def _is_string(node: Node) -> bool:
    return node.type in _STRINGS


def _brackets_of(node: Node) -> Iterator[tuple[str, int]]:
    """The brackets that a node is, with their bytes; that behind a pattern of a shell's `case` pairs with none."""
    found = _SEVERAL.fullmatch(node.type)
    if found and not node.is_missing and not (node.parent and node.parent.type == "case_item"):
        first = node.end_byte - len(found[1])
        yield from ((bracket, first + n) for n, bracket in enumerate(found[1]))


def _is_quote(node: Node) -> bool:
    return node.type in ("string_start", '"', "'", "`")


def _quote_at(source: bytes, start: int) -> str:
    """The quotes of the string that begins at a byte, letters before them left out."""
    found = _QUOTE.search(source, start)
    return found[0].decode() if found else '"'
