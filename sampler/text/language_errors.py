"""What a language does not take though its grammar lets it pass: Python's minds neither indentation nor blocks that
are empty, the shell's takes `fi` for a command.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import dropwhile, pairwise, takewhile
from typing import TYPE_CHECKING, NamedTuple

from sampler.text.grammars import language_of

if TYPE_CHECKING:
    from tree_sitter import Node, Query

_ASKED = {
    "python": """
        [(block) (module)] @block
        (try_statement) @try
        [(if_statement) (for_statement) (while_statement) (try_statement) (decorated_definition)] @parted
        [(print_statement) (exec_statement)] @old
        (argument_list [(keyword_argument) (dictionary_splat)]) @arguments
        [(parameters (default_parameter)) (parameters (typed_default_parameter))] @parameters
        (lambda_parameters (default_parameter)) @parameters
    """,
    "shellscript": """
        ((command_name (word) @word) (#any-of? @word "then" "elif" "else" "fi" "do" "done" "esac"))
        [(if_statement) (elif_clause) (else_clause) (do_group) (compound_statement)] @parted
    """,
}
_PARTS = frozenset(
    {
        *("elif_clause", "else_clause", "except_clause", "except_group_clause", "finally_clause"),
        *("decorator", "function_definition", "class_definition"),
    }
)
"""What begins in the column in which the whole statement does."""
_HANDLERS = frozenset({"except_clause", "except_group_clause", "finally_clause"})
_KEYWORDS = frozenset({"keyword_argument", "dictionary_splat"})
_BEHIND_KEYWORDS = _KEYWORDS | {"list_splat", "comment", "ERROR"}
_DEFAULTS = frozenset({"default_parameter", "typed_default_parameter"})
_OPENING = frozenset({"then", "else", "do", "{"})
_CLOSING = frozenset({"elif_clause", "else_clause", "fi", "done", "}"})
_NO_STATEMENTS = frozenset({"comment", "ERROR"})


class LanguageErrors(NamedTuple):
    """The line, from 0, of each thing that is in no right place, and of each that lacks something behind it."""

    misplaced: list[int]
    """In the wrong column or order, of Python 2, or a part of a statement by itself."""
    unfinished: list[int]
    """A head without a body, or `try` alone: what they lack may come next."""


def language_errors(root: Node, language: str) -> LanguageErrors:
    """What is wrong in a tree apart from what its grammar finds."""
    if language not in _ASKED:
        return LanguageErrors([], [])
    from tree_sitter import QueryCursor

    found = defaultdict(list, QueryCursor(_query(language)).captures(root))
    return _python_errors(found) if language == "python" else _shell_errors(found)


def _python_errors(found: Mapping[str, list[Node]]) -> LanguageErrors:
    misplaced = (
        *(node for block in found["block"] for node in _indented(block)),
        *(node for statement in found["parted"] for node in _askew(statement)),
        *found["old"],
        *(node for arguments in set(found["arguments"]) for node in _behind_keywords(arguments)),
        *(node for parameters in set(found["parameters"]) for node in _behind_defaults(parameters)),
    )
    return LanguageErrors(
        misplaced=[node.start_point.row for node in misplaced],
        unfinished=[
            *(block.start_point.row for block in found["block"] if block.type == "block" and not _statements(block)),
            *(one.end_point.row for one in found["try"] if not any(part.type in _HANDLERS for part in one.children)),
        ],
    )


def _shell_errors(found: Mapping[str, list[Node]]) -> LanguageErrors:
    return LanguageErrors(
        misplaced=[word.start_point.row for word in found["word"]],
        unfinished=[row for statement in found["parted"] for row in _empty_bodies(statement)],
    )


def _empty_bodies(statement: Node) -> Iterator[int]:
    """The lines of the words of a shell's that open a body, where what closes it comes next."""
    for a, b in pairwise(node for node in [*statement.children, None] if node is None or node.type != "comment"):
        if a and a.type in _OPENING and (b is None or b.type in _CLOSING):
            yield a.start_point.row


@cache
def _query(language: str) -> Query:
    from tree_sitter import Query

    grammar = language_of(language)
    assert grammar is not None
    return Query(grammar, _ASKED[language])


def _statements(block: Node) -> list[Node]:
    return [node for node in block.named_children if node.type not in _NO_STATEMENTS]


def _indented(block: Node) -> Iterator[Node]:
    """Statements that stand further right than those before them. Further left they may: a window can begin inside a
    block.
    """
    for a, b in pairwise(_statements(block)):
        if a.start_point.row < b.start_point.row and a.start_point.column < b.start_point.column:
            yield b


def _askew(statement: Node) -> Iterator[Node]:
    """Its clauses, or what is decorated, that stand in another column than it does."""
    (row, column), parts = statement.start_point, (node for node in statement.children if node.type in _PARTS)
    return (node for node in parts if node.start_point.row > row and node.start_point.column != column)


def _behind_keywords(arguments: Node) -> Iterator[Node]:
    behind = dropwhile(lambda node: node.type not in _KEYWORDS, arguments.named_children)
    return (node for node in behind if node.type not in _BEHIND_KEYWORDS)


def _behind_defaults(parameters: Node) -> Iterator[Node]:
    positional = takewhile(lambda node: not (node.text or b"").startswith(b"*"), parameters.named_children)
    behind = dropwhile(lambda node: node.type not in _DEFAULTS, positional)
    return (node for node in behind if node.type in ("identifier", "typed_parameter"))
