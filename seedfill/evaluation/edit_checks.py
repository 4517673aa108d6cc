"""Whether an edit without tests did what was asked: by comparing syntax trees, so that layout is a matter of taste.

Most kinds have one right answer. Where there are many, the rest of the file must be as it was, and what was asked for
must be there where a person had put it.
"""

from __future__ import annotations

import ast
import builtins
import copy
import io
import tokenize
import typing
import warnings
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Named: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_LEVELS = ("debug", "info", "warning", "error", "exception", "critical", "log")
_TYPES = {*dir(builtins), *dir(typing)}


def accepts(kind: str, before: str, answer: str, gold: str) -> bool:
    """Whether the file `answer` is `before` after an edit of that kind, of which `gold` is an example.

    A kind that is not known has one right answer. Comments that gold keeps have to be kept.
    """
    trees = [_parsed(text) for text in (before, answer, gold)]
    if trees[1] is None or trees[0] is None or trees[2] is None:
        return False
    if (_comments(before) & _comments(gold)) - _comments(answer):
        return False
    check = _CHECKS.get(kind, _equals_gold)
    return check(trees[0], trees[1], trees[2])


def _comments(text: str) -> Counter[str]:
    """Of a file that parses."""
    lines = io.StringIO(text).readline
    return Counter(token.string for token in tokenize.generate_tokens(lines) if token.type == tokenize.COMMENT)


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # all that the parser says to bad text
        return None


def _same(a: ast.AST, b: ast.AST) -> bool:
    return ast.dump(a) == ast.dump(b)


def _equals_gold(_before: ast.Module, answer: ast.Module, gold: ast.Module) -> bool:
    return _same(answer, gold)


def _type_hints(before: ast.Module, answer: ast.Module, gold: ast.Module) -> bool:
    """Annotated where gold is, with something that is a type here, and otherwise as it was."""
    hints, wanted = _hints(answer), _hints(gold)
    known = _TYPES | _bound(before) | {node.id for hint in wanted.values() for node in _names(hint)}
    new = [hint for place, hint in hints.items() if place not in _hints(before)]
    are_types = all(_is_type(hint, known) for hint in new)
    return wanted.keys() <= hints.keys() and are_types and _same(_unhinted(answer), _unhinted(before))


def _docstring(before: ast.Module, answer: ast.Module, gold: ast.Module) -> bool:
    """Documented where gold is, and otherwise as it was."""
    told, wanted = _docstrings(answer), _docstrings(gold)
    was = _docstrings(before)
    return wanted <= told and _same(_undocumented(answer, told - was), before)


def _error_handling(before: ast.Module, answer: ast.Module, gold: ast.Module) -> bool:
    """More is tried than before, with handlers, and what is done otherwise is as it was."""
    return _count(answer, ast.Try) > _count(before, ast.Try) and _same(_untried(answer), _untried(before))


def _logging(before: ast.Module, answer: ast.Module, gold: ast.Module) -> bool:
    """More is logged than before, and otherwise the file is as it was."""
    more = _n_logged(answer) > _n_logged(before)
    return more and _same(_unlogged(answer), _unlogged(before))


_CHECKS: dict[str, Callable[[ast.Module, ast.Module, ast.Module], bool]] = {
    "type_hints": _type_hints,
    "docstring": _docstring,
    "error_handling": _error_handling,
    "logging": _logging,
}


def _functions(tree: ast.Module) -> list[tuple[str, Function]]:
    """Functions by a name that tells several of the same name apart."""
    found = [node for node in ast.walk(tree) if isinstance(node, Function)]
    return [(f"{i}/{node.name}", node) for i, node in enumerate(found)]


def _hints(tree: ast.Module) -> dict[tuple[str, str], ast.expr]:
    """(function, argument) → annotation; "->" stands for what is returned."""
    found: dict[tuple[str, str], ast.expr] = {}
    for name, node in _functions(tree):
        for arg in _arguments(node):
            if arg.annotation is not None:
                found[name, arg.arg] = arg.annotation
        if node.returns is not None:
            found[name, "->"] = node.returns
    return found


def _arguments(node: Function) -> list[ast.arg]:
    args = node.args
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *(arg for arg in (args.vararg, args.kwarg) if arg)]


def _bound(tree: ast.Module) -> set[str]:
    """Names that imports and classes bind anywhere in the file, and those of the module."""
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    found = {(alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names}
    found |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    targets = (target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets)
    return found | {target.id for target in targets if isinstance(target, ast.Name)}


def _is_type(hint: ast.expr, known: set[str]) -> bool:
    """Made of known names; a string counts by what is written in it."""
    if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
        return _parsed(hint.value) is not None and all(node.id in known for node in _names(hint))
    is_made_of_types = isinstance(hint, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp | ast.Constant)
    return is_made_of_types and all(node.id in known for node in _names(hint))


def _names(hint: ast.expr) -> list[ast.Name]:
    """The names in an annotation, also in one that is written as a string."""
    is_text = isinstance(hint, ast.Constant) and isinstance(hint.value, str)
    tree = _parsed(str(getattr(hint, "value", ""))) if is_text else hint
    return [] if tree is None else [node for node in ast.walk(tree) if isinstance(node, ast.Name)]


class _Unhinted(ast.NodeTransformer):
    """Arguments and results of functions lose their annotations."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def _unhinted(tree: ast.Module) -> ast.AST:
    bare: ast.AST = _Unhinted().visit(copy.deepcopy(tree))
    return bare


def _named(tree: ast.Module) -> list[tuple[str, Named]]:
    found = [node for node in ast.walk(tree) if isinstance(node, Named)]
    return [(f"{i}/{node.name}", node) for i, node in enumerate(found)]


def _docstrings(tree: ast.Module) -> set[str]:
    return {name for name, node in _named(tree) if ast.get_docstring(node)}


def _undocumented(tree: ast.Module, which: set[str]) -> ast.AST:
    bare = copy.deepcopy(tree)
    for name, node in _named(bare):
        if name in which:
            del node.body[0]
    return bare


class _Untried(ast.NodeTransformer):
    """What is tried stands for itself."""

    def visit_Try(self, node: ast.Try) -> list[ast.stmt]:
        self.generic_visit(node)
        return [*node.body, *node.orelse]


def _untried(tree: ast.Module) -> ast.AST:
    bare: ast.AST = _Untried().visit(copy.deepcopy(tree))
    return bare


def _count(tree: ast.Module, kind: type[ast.AST]) -> int:
    return sum(isinstance(node, kind) for node in ast.walk(tree))


def _is_log(node: ast.AST) -> bool:
    match node:
        case ast.Expr(ast.Call(func=ast.Attribute(ast.Name(name) | ast.Attribute(attr=name), level))):
            return level in _LEVELS and "log" in name.lower()
    return False


def _n_logged(tree: ast.Module) -> int:
    return sum(map(_is_log, ast.walk(tree)))


class _Unlogged(ast.NodeTransformer):
    """Calls of loggers are gone."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if _is_log(node) else node


def _unlogged(tree: ast.Module) -> ast.AST:
    bare: ast.AST = _Unlogged().visit(copy.deepcopy(tree))
    return bare
