"""What a grammar says of the code around a cursor: errors, the ends of statements and blocks, strings, holes.

Grammars are tree-sitter's, one small wheel a language, loaded when a language is first met. A language without
one gives None, and whoever asks falls back on lines and indentation. Offsets count characters.

Only a window around the cursor is parsed (`windows.parsed_start`, `parsed_end`), and what an insertion changes is
parsed incrementally on top of it, so that a document of any length costs the same few milliseconds.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from sampler.text.lexing import Lexed, Part, Surroundings, tokens
from sampler.text.windows import parsed_end, parsed_start

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Parser, Tree, TreeCursor

_GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "javascriptreact": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "typescriptreact": ("tree_sitter_typescript", "language_tsx"),
    "c": ("tree_sitter_c", "language"),
    "shellscript": ("tree_sitter_bash", "language"),
    "json": ("tree_sitter_json", "language"),
    "jsonc": ("tree_sitter_json", "language"),
    "toml": ("tree_sitter_toml", "language"),
    "markdown": ("tree_sitter_markdown", "language"),
}
_ROOTS = frozenset({"module", "program", "translation_unit", "document"})
_BLOCKS = _ROOTS | {
    "block",
    "statement_block",
    "compound_statement",
    "class_body",
    "switch_body",
    "do_group",
    "field_declaration_list",
    "declaration_list",
}
"""Nodes whose children are statements."""
_WITH_STATEMENTS = frozenset(
    {
        "module",
        "block",
        "function_definition",
        "class_definition",
        "decorated_definition",
        "if_statement",
        "elif_clause",
        "else_clause",
        "for_statement",
        "while_statement",
        "with_statement",
        "try_statement",
        "except_clause",
        "except_group_clause",
        "finally_clause",
        "match_statement",
        "case_clause",
    }
)
"""What holds statements in Python, blocks apart from their heads."""
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
_PLACEHOLDERS = frozenset({b"pass", b"..."})


def parser_for(language: str) -> Parser | None:
    """A parser of a language, by the name editors give it; None where no grammar is installed.

    A new one each time, since no two threads may share one.
    """
    grammar = _grammar(language)
    if grammar is None:
        return None
    from tree_sitter import Parser

    return Parser(grammar)


@cache
def _grammar(language: str) -> Language | None:
    if language not in _GRAMMARS:
        return None
    module, function = _GRAMMARS[language]
    try:
        from tree_sitter import Language

        return Language(getattr(importlib.import_module(module), function)())
    except ImportError:  # an installation without that wheel: the language is then one without a grammar
        return None


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
        return sum(map(is_syntax_error, _faulty(self.tree.root_node)))

    @cached_property
    def n_indented(self) -> int:
        """Of Python, how many lines are indented for no reason, which its grammar does not mind."""
        return sum(_indented(block) for block in self._blocks)

    @cached_property
    def n_empty(self) -> int:
        """Of Python, how many heads have no block, which its grammar does not mind either."""
        return sum(block.type == "block" and not _statements(block) for block in self._blocks)

    def is_worse(self, text: str) -> bool:
        """Whether `text` would bring a fault with it; a head without a block is none, as the block may come next."""
        found = self.inserted(text)
        return found.n_errors > self.n_errors or found.n_indented > self.n_indented

    @property
    def n_faults(self) -> int:
        """All of these."""
        return self.n_errors + self.n_indented + self.n_empty

    @cached_property
    def _blocks(self) -> list[Node]:
        """Python's blocks and its outermost level."""
        if self.language != "python":
            return []
        found = _descendants(self.tree.root_node, lambda node: node.type in _WITH_STATEMENTS)
        return [node for node in found if node.type in ("block", "module")]

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
        nodes = _descendants(self.tree.root_node, lambda node: node.start_byte < last and node.end_byte > first)
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
        return None if node is None or node.type in _ROOTS else self._end_inside(node)

    def _statement(self) -> Node | None:
        node = self._leaf(self._first_byte())
        while node is not None and node.parent is not None and node.parent.type not in _BLOCKS:
            node = node.parent
        return None if node is None or node.parent is None or node.is_error else node

    def _is_around(self, node: Node) -> bool:
        """Whether it is a block that the insertion did not open; Python's begins with its first statement."""
        return node.type == "block" or (node.type in _BLOCKS and node.start_byte < self._first_byte())

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
        faulty = [node for node in _faulty(self.tree.root_node) if node.is_error]
        starts = [child.start_byte for node in faulty for child in node.children if _is_quote(child)]
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


def syntax_at(before: str, after: str, language: str) -> Syntax | None:
    """The syntax around the place between `before` and `after`; None for a language without a grammar."""
    parser = parser_for(language)
    if parser is None:
        return None
    head = before[parsed_start(before, language) :].encode(errors="replace")
    tail = after[: parsed_end(after)].encode(errors="replace")
    source = head + tail
    return Syntax(language, parser.parse(source), source, len(head), len(head))


def holes(text: str, language: str) -> list[tuple[int, int]]:
    """Where something is missing, in order, as (first, last) character: bodies that hold only a placeholder such as
    `pass` or `...`, or one behind a docstring, and places at which the grammar had to suppose a token (empty ranges).
    """
    parser = parser_for(language)
    if parser is None:
        return []
    source = text.encode(errors="replace")
    found = [node for node in _descendants(parser.parse(source).root_node) if _is_hole(node, source)]
    return [
        (start, start + _length(source[node.start_byte : node.end_byte])) for start, node in _numbered(source, found)
    ]


def kinds_at(text: str, language: str, offsets: Iterable[int]) -> list[str] | None:
    """The innermost node's type at each of the characters, which are in order; None for a language without a grammar.

    The tree is walked once, however many they are.
    """
    parser = parser_for(language)
    if parser is None:
        return None
    cursor = parser.parse(text.encode(errors="replace")).walk()
    return [_kind_at(cursor, byte) for byte in _bytes_of(text, offsets)]


def _kind_at(cursor: TreeCursor, byte: int) -> str:
    """The type of the innermost node at a byte, to which the cursor moves; it has not been behind it."""
    while cursor.node and cursor.node.end_byte <= byte and (cursor.goto_next_sibling() or cursor.goto_parent()):
        pass
    while cursor.node and cursor.node.start_byte <= byte and cursor.goto_first_child_for_byte(byte) is not None:
        pass
    if cursor.node and cursor.node.start_byte > byte:  # between two of its siblings
        parent = cursor.node.parent
        return parent.type if parent else ""
    return cursor.node.type if cursor.node else ""


def _bytes_of(text: str, offsets: Iterable[int]) -> Iterator[int]:
    """The byte at which each of the characters begins, which are in order."""
    byte = last = 0
    for offset in offsets:
        byte += len(text[last:offset].encode(errors="replace"))
        last = offset
        yield byte


@cache
def languages() -> tuple[str, ...]:
    """The languages whose grammar is installed."""
    return tuple(language for language in _GRAMMARS if parser_for(language))


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


def is_syntax_error(node: Node) -> bool:
    """Whether the grammar skipped this node, supposed it, or supposed a token below it that it does not show.

    Such a token is a line end of Python's: `import a import b` holds one between its statements.
    """
    if node.is_error or node.is_missing:
        return True
    return node.has_error and not any(child.has_error or child.is_missing for child in node.children)


def line_of_error(node: Node) -> int:
    """The line, from 0, on which the syntax error `node` shows: of a token that is not shown, where two nodes meet."""
    if node.is_error or node.is_missing:
        return node.start_point[0]
    meet = (b.start_point[0] for a, b in pairwise(node.children) if a.end_point[0] == b.start_point[0])
    return next(meet, node.start_point[0])


def _faulty(root: Node) -> Iterator[Node]:
    """The nodes that are or hold an error, in order."""
    return _descendants(root, lambda node: node.has_error)


def _statements(block: Node) -> list[Node]:
    return [node for node in block.named_children if node.type not in ("comment", "ERROR")]


def _indented(block: Node) -> int:
    """How many statements stand further right than those before them in the block.

    Further left they may: a window can begin inside a block.
    """
    places = [node.start_point for node in _statements(block)]
    return sum(a.row < b.row and a.column < b.column for a, b in pairwise(places))


def _descendants(root: Node, wanted: Callable[[Node], bool] = lambda node: True) -> Iterator[Node]:
    """`root` and what is below it, in order; what is not wanted is left out with all that is below it."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if wanted(node):
            yield node
            waiting.extend(reversed(node.children))


def _is_hole(node: Node, source: bytes) -> bool:
    if node.is_missing:
        return True
    is_body = node.type in _BLOCKS and node.type not in _ROOTS
    is_statement = node.type in ("pass_statement", "expression_statement")
    if not (is_body or is_statement) or source[node.start_byte : node.end_byte].strip() not in _PLACEHOLDERS:
        return False
    return is_body or _is_alone_behind_docstring(node)


def _is_alone_behind_docstring(statement: Node) -> bool:
    block = statement.parent
    if block is None or block.type != "block" or block.named_child_count != 2:
        return False
    first = block.named_children[0]
    return first.type == "expression_statement" and [child.type for child in first.children] == ["string"]


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


def _numbered(source: bytes, nodes: Iterable[Node]) -> Iterator[tuple[int, Node]]:
    """Nodes in order, each with the number of its first character."""
    last = character = 0
    for node in nodes:
        character += _length(source[last : node.start_byte])
        last = node.start_byte
        yield character, node


def _length(source: bytes) -> int:
    return len(source.decode(errors="replace"))
