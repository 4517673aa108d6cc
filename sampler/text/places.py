"""Places in a whole text, as its grammar sees them: where something is missing, and what stands at many characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sampler.text.grammars import BLOCKS, ROOTS, descendants, parser_for

if TYPE_CHECKING:
    from tree_sitter import Node, TreeCursor

_PLACEHOLDERS = frozenset({b"pass", b"..."})


def holes(text: str, language: str) -> list[tuple[int, int]]:
    """Where something is missing, in order, as (first, last) character: bodies that hold only a placeholder such as
    `pass` or `...`, or one behind a docstring, and places at which the grammar had to suppose a token (empty ranges).
    """
    parser = parser_for(language)
    if parser is None:
        return []
    source = text.encode(errors="replace")
    found = [node for node in descendants(parser.parse(source).root_node) if _is_hole(node, source)]
    return [
        (start, start + _length(source[node.start_byte : node.end_byte])) for start, node in _numbered(source, found)
    ]


def _is_hole(node: Node, source: bytes) -> bool:
    if node.is_missing:
        return True
    is_body = node.type in BLOCKS and node.type not in ROOTS
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


def _numbered(source: bytes, nodes: Iterable[Node]) -> Iterator[tuple[int, Node]]:
    """Nodes in order, each with the number of its first character."""
    last = character = 0
    for node in nodes:
        character += _length(source[last : node.start_byte])
        last = node.start_byte
        yield character, node


def _length(source: bytes) -> int:
    return len(source.decode(errors="replace"))
