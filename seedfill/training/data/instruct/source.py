"""A parsed Python file whose nodes know their characters, and changes to it: what every transformation works on."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import TypeAlias, TypeVar, cast

Node = TypeVar("Node", bound=ast.AST)
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters `start` to `end` of a file are replaced by `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """Edits that undo something in a file, and what a wording may say about it."""

    edits: tuple[Edit, ...]
    facts: dict[str, str] = field(default_factory=dict)


def apply(text: str, edits: Sequence[Edit], offset: int = 0) -> str:
    """`text`, which stands at `offset` in its file, after `edits`, which must not overlap."""
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end), reverse=True):
        text = text[: edit.start - offset] + edit.text + text[edit.end - offset :]
    return text


class Source:
    """A file that parses; raises SyntaxError or ValueError for any other. Line breaks must be \\n."""

    def __init__(self, text: str) -> None:
        self.text = text
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarning: the author's taste is not the question
            self.tree = ast.parse(text)
        self._lines = text.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._parents: dict[ast.AST, ast.AST] = {}
        self._blocks: dict[ast.AST, tuple[list[ast.stmt], int]] = {}
        self._by_kind: dict[type[ast.AST], list[ast.AST]] = {}
        self._index()

    def _index(self) -> None:
        for node in ast.walk(self.tree):
            self._by_kind.setdefault(type(node), []).append(node)
            for child in ast.iter_child_nodes(node):
                self._parents[child] = node
            for block in blocks(node):
                self._blocks |= {statement: (block, i) for i, statement in enumerate(block)}

    def nodes(self, *kinds: type[Node]) -> list[Node]:
        """All nodes of exactly these kinds."""
        return cast(list[Node], [node for kind in kinds for node in self._by_kind.get(kind, [])])

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node that holds `node`."""
        return self._parents.get(node)

    def function_of(self, node: ast.AST) -> Function | None:
        """The innermost function that holds `node`, not counting the node itself."""
        above = self.parent(node)
        while above is not None and not isinstance(above, FUNCTIONS):
            above = self.parent(above)
        return above

    def block(self, statement: ast.stmt) -> tuple[list[ast.stmt], int]:
        """The statements among which this one stands, and its index there."""
        return self._blocks[statement]

    def start(self, node: ast.AST) -> int:
        """Offset of the node's first character, decorators not counted."""
        return self._offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        """Offset behind the node's last character."""
        return self._offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def _offset(self, line_number: int, n_bytes: int) -> int:
        line = self._lines[line_number - 1]
        column = n_bytes if line.isascii() else len(line.encode()[:n_bytes].decode())
        return self._starts[line_number - 1] + column

    def words(self, node: ast.AST) -> str:
        """The node as it is written."""
        return self.text[self.start(node) : self.end(node)]

    def flat(self, node: ast.AST) -> str:
        """The node on one line: as it is written where that is one line."""
        written = self.words(node)
        return ast.unparse(node) if "\n" in written else written

    def line_start(self, at: int) -> int:
        """Offset of the first character of the line that `at` is on."""
        return self.text.rfind("\n", 0, at) + 1

    def line_end(self, at: int) -> int:
        """Offset of the end of that line, its line break not counted."""
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    def indent(self, node: ast.AST) -> str:
        """What stands before the node on its line."""
        return self.text[self.line_start(self.start(node)) : self.start(node)]

    def lines(self, first: ast.stmt, last: ast.stmt | None = None) -> tuple[int, int]:
        """From the start of the first statement's line to behind the last one's line break."""
        return self.line_start(self.start(first)), min(self.line_end(self.end(last or first)) + 1, len(self.text))

    def is_alone(self, first: ast.stmt, last: ast.stmt | None = None) -> bool:
        """Whether nothing but a comment shares lines with the statements from `first` to `last`."""
        end = self.end(last or first)
        after = self.text[end : self.line_end(end)].strip()
        return not self.indent(first).strip() and (not after or after.startswith("#"))

    def is_plain(self, *nodes: ast.AST) -> bool:
        """Whether no string spans lines below these nodes, so that their lines may be indented otherwise."""
        strings = (n for node in nodes for n in ast.walk(node) if isinstance(n, ast.Constant | ast.JoinedStr))
        return all(n.lineno == n.end_lineno for n in strings)

    def indented(self, first: ast.stmt, last: ast.stmt, indent: str, start: int | None = None) -> str | None:
        """The lines of these statements at another indentation; None where that would change more than blanks.

        `start` is the start of an earlier line from which comments are to come along.
        """
        start = self.lines(first)[0] if start is None else start
        end = self.lines(last)[1]
        own, written = self.indent(first), self.text[start:end].removesuffix("\n").split("\n")
        within = self.block(first)[0]
        inner = within[within.index(first) : within.index(last) + 1]
        if not self.is_alone(first, last) or not self.is_plain(*inner):
            return None
        if any(line.strip() and not line.startswith(own) for line in written):
            return None
        return "".join((indent + line[len(own) :] if line.strip() else "") + "\n" for line in written)

    @cached_property
    def names(self) -> set[str]:
        """Every identifier of the file."""
        return names_in(self.tree)


def blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The lists of statements that a node holds."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
            yield block


def names_in(*nodes: ast.AST) -> set[str]:
    """Names, arguments and attributes below these nodes."""
    found: set[str] = set()
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found.add(other or name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
    return found


Undo: TypeAlias = Callable[[Source, Node, Random], Change | None]


@dataclass(frozen=True, slots=True)
class Transformation:
    """One kind of edit: at which nodes it may have been made, and how it is undone there."""

    kinds: tuple[type[ast.AST], ...]
    undo: Undo[ast.AST]

    def changes(self, source: Source, rng: Random) -> Iterator[Change]:
        """Each change that is possible, in random order."""
        nodes = source.nodes(*self.kinds)
        rng.shuffle(nodes)
        return (change for node in nodes if (change := self.undo(source, node, rng)))


TRANSFORMATIONS: dict[str, Transformation] = {}
"""By the kind's name; filled by the modules that define them."""


def at(*kinds: type[ast.AST]) -> Callable[[Undo[Node]], Undo[Node]]:
    """Register a function as the transformation of its own name, to be tried at nodes of these kinds."""

    def register(undo: Undo[Node]) -> Undo[Node]:
        TRANSFORMATIONS[getattr(undo, "__name__", "")] = Transformation(kinds, cast(Undo[ast.AST], undo))
        return undo

    return register
