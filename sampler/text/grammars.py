"""Grammars, which are tree-sitter's: one small wheel a language, loaded when it is first met; and walks of trees."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Parser

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
ROOTS = frozenset({"module", "program", "translation_unit", "document"})
BLOCKS = ROOTS | {
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


def parser_for(language: str) -> Parser | None:
    """A parser of a language, by the name editors give it; None where no grammar is installed.

    A new one each time, since no two threads may share one.
    """
    grammar = language_of(language)
    if grammar is None:
        return None
    from tree_sitter import Parser

    return Parser(grammar)


@cache
def language_of(language: str) -> Language | None:
    """A language's grammar, by the name editors give it; None where none is installed."""
    if language not in _GRAMMARS:
        return None
    module, function = _GRAMMARS[language]
    try:
        from tree_sitter import Language

        return Language(getattr(importlib.import_module(module), function)())
    except ImportError:  # an installation without that wheel: the language is then one without a grammar
        return None


@cache
def languages() -> tuple[str, ...]:
    """The languages whose grammar is installed."""
    return tuple(language for language in _GRAMMARS if parser_for(language))


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


def descendants(root: Node, wanted: Callable[[Node], bool] = lambda node: True) -> Iterator[Node]:
    """`root` and what is below it, in order; what is not wanted is left out with all that is below it."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if wanted(node):
            yield node
            waiting.extend(reversed(node.children))
