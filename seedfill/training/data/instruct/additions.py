"""What people ask to be added: each function takes one such thing out of a file that has it."""

from __future__ import annotations

import ast
from random import Random

from seedfill.training.data.instruct.source import FUNCTIONS, Change, Edit, Function, Source, at

LEVELS = ("debug", "info", "warning", "error", "exception", "critical")
LONGEST = 600
"""Characters of the largest thing that is taken out: a small model is not to write more at once."""


@at(*FUNCTIONS)
def type_hints(source: Source, node: Function, rng: Random) -> Change | None:
    """`def f(a: int = 1) -> str` → `def f(a=1)`."""
    edits = [_without_annotation(source, arg, default) for arg, default in _arguments(node) if arg.annotation]
    if not edits:
        return None
    if node.returns:
        edits.append(_without_arrow(source, node.returns))
    return Change(tuple(edits), {"name": node.name})


@at(*FUNCTIONS)
def return_type(source: Source, node: Function, rng: Random) -> Change | None:
    """`def f(a) -> str` → `def f(a)`."""
    if not node.returns:
        return None
    return Change((_without_arrow(source, node.returns),), {"name": node.name, "type": source.flat(node.returns)})


@at(ast.AnnAssign)
def variable_type(source: Source, node: ast.AnnAssign, rng: Random) -> Change | None:
    """`x: int = 1` → `x = 1`."""
    if node.value is None or not isinstance(node.target, ast.Name):
        return None
    removed = Edit(source.end(node.target), source.end(node.annotation), "")
    return Change((removed,), {"name": node.target.id, "type": source.flat(node.annotation)})


@at(*FUNCTIONS, ast.ClassDef)
def docstring(source: Source, node: Function | ast.ClassDef, rng: Random) -> Change | None:
    """A docstring and the blank line behind it are gone."""
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is None or len(node.body) == 1 or not source.is_alone(first):
        return None
    return _without(source, first, name=node.name)


@at(*FUNCTIONS)
def default_argument(source: Source, node: Function, rng: Random) -> Change | None:
    """`def f(a, b=1, c=2)` → `def f(a, b, c=2)`: of positional arguments the first default, of others any."""
    positional = [*node.args.posonlyargs, *node.args.args]
    first = positional[len(positional) - len(node.args.defaults) :][:1]
    found = [
        (arg, default)
        for arg, default in _arguments(node)
        if default is not None and (arg in first or arg in node.args.kwonlyargs)
    ]
    if not found:
        return None
    arg, default = rng.choice(found)
    start, end = source.end(arg), source.end(default)
    if source.text[start : source.start(default)].strip() != "=":
        return None
    return Change((Edit(start, end, ""),), {"name": node.name, "argument": arg.arg, "value": source.flat(default)})


@at(ast.Try)
def error_handling(source: Source, node: ast.Try, rng: Random) -> Change | None:
    """`try: BODY except E: …` → `BODY`."""
    start, end = source.lines(node)
    inner = source.line_end(source.start(node)) + 1
    body = source.indented(node.body[0], node.body[-1], source.indent(node), inner)
    if body is None or node.orelse or node.finalbody or not source.is_alone(node) or end - start > LONGEST:
        return None
    caught = [source.flat(handler.type) for handler in node.handlers if handler.type]
    return Change((Edit(start, end, body),), {"exception": " and ".join(caught) or "Exception"})


@at(ast.With)
def context_manager(source: Source, node: ast.With, rng: Random) -> Change | None:
    """`with open(p) as f: BODY` → `f = open(p)`, BODY, `f.close()`; a lock is acquired and released."""
    indent = source.indent(node)
    body = source.indented(node.body[0], node.body[-1], indent)
    start, end = source.lines(node)
    frame = _by_hand(source, node.items[0]) if len(node.items) == 1 else None
    leaves = isinstance(node.body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break)
    if frame is None or body is None or leaves or not source.is_alone(node) or end - start > LONGEST:
        return None
    first, last = frame
    return Change((Edit(start, end, f"{indent}{first}\n{body}{indent}{last}\n"),))


@at(ast.If)
def guard(source: Source, node: ast.If, rng: Random) -> Change | None:
    """An early `if bad: return` of a function is gone."""
    function, (block, i) = source.function_of(node), source.block(node)
    leaves = len(node.body) == 1 and isinstance(node.body[0], ast.Return | ast.Raise)
    if function is None or block is not function.body or i > 2 or i + 1 == len(block) or node.orelse or not leaves:
        return None
    condition, action = source.flat(node.test), source.flat(node.body[0])
    if len(condition) + len(action) > 120 or not source.is_alone(node):
        return None
    return _without(source, node, condition=condition, action=action, name=function.name)


@at(ast.Expr)
def logging(source: Source, node: ast.Expr, rng: Random) -> Change | None:
    """A call of a logger is gone."""
    level = _log_level(node.value)
    if level is None or len(source.block(node)[0]) == 1 or not source.is_alone(node):
        return None
    assert isinstance(node.value, ast.Call)
    message = source.flat(node.value.args[0]) if node.value.args else '""'
    return _without(source, node, level=level, message=message)


@at(ast.Expr)
def use_logger(source: Source, node: ast.Expr, rng: Random) -> Change | None:
    """`logger.info(x)` → `print(x)`."""
    if _log_level(node.value) is None:
        return None
    assert isinstance(node.value, ast.Call)
    if len(node.value.args) != 1 or node.value.keywords:
        return None
    called = node.value.func
    return Change((Edit(source.start(called), source.end(called), "print"),), {"logger": source.words(called)})


@at(ast.Import, ast.ImportFrom)
def missing_import(source: Source, node: ast.Import | ast.ImportFrom, rng: Random) -> Change | None:
    """One of several imports is gone."""
    block, i = source.block(node)
    near = [other for other in block[max(i - 1, 0) : i + 2] if isinstance(other, ast.Import | ast.ImportFrom)]
    is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
    if len(near) < 2 or is_future or node.lineno != node.end_lineno or not source.is_alone(node):
        return None
    start, end = source.lines(node)
    return Change((Edit(start, end, ""),), {"statement": source.words(node)})


@at(*FUNCTIONS)
def decorator(source: Source, node: Function, rng: Random) -> Change | None:
    """A function has one decorator less."""
    if not node.decorator_list:
        return None
    chosen = rng.choice(node.decorator_list)
    written = source.flat(chosen)
    start, end = source.line_start(source.start(chosen)), source.line_end(source.end(chosen)) + 1
    if len(written) > 60 or source.text[start:end].strip() != f"@{written}":
        return None
    return Change((Edit(start, end, ""),), {"decorator": f"@{written}", "name": node.name})


@at(ast.Raise)
def raise_from(source: Source, node: ast.Raise, rng: Random) -> Change | None:
    """`raise A() from b` → `raise A()`."""
    if node.exc is None or not isinstance(node.cause, ast.Name):
        return None
    return Change((Edit(source.end(node.exc), source.end(node), ""),), {"cause": node.cause.id})


@at(ast.Call)
def encoding(source: Source, node: ast.Call, rng: Random) -> Change | None:
    """`open(p, encoding="utf-8")` → `open(p)`."""
    given = [keyword for keyword in node.keywords if keyword.arg == "encoding"]
    if not given or not node.args or node.keywords[-1] is not given[0] or source.end(node.args[-1]) > source.end(node):
        return None
    before = [*node.args, *(keyword.value for keyword in node.keywords[:-1])]
    value = source.flat(given[0].value)
    return Change((Edit(max(map(source.end, before)), source.end(given[0]), ""),), {"encoding": value})


def _arguments(node: Function) -> list[tuple[ast.arg, ast.expr | None]]:
    """Every argument with its default."""
    args = node.args
    positional = [*args.posonlyargs, *args.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(args.defaults))
    defaults += args.defaults
    rest = [(arg, None) for arg in (args.vararg, args.kwarg) if arg]
    return [*zip(positional, defaults, strict=True), *zip(args.kwonlyargs, args.kw_defaults, strict=True), *rest]


def _without_annotation(source: Source, arg: ast.arg, default: ast.expr | None) -> Edit:
    """A default has blanks around its `=` only beside an annotation."""
    start, end = source.start(arg) + len(arg.arg), source.end(arg)
    if default is None:
        return Edit(start, end, "")
    between = source.text[end : source.start(default)]
    return Edit(start, source.start(default), between if "\n" in between else between.replace(" ", ""))


def _without_arrow(source: Source, returns: ast.expr) -> Edit:
    arrow = source.text.rfind("->", 0, source.start(returns))
    return Edit(len(source.text[:arrow].rstrip()), source.end(returns), "")


def _without(source: Source, statement: ast.stmt, **facts: str) -> Change | None:
    """The statement's lines are gone, and one blank line behind them."""
    start, end = source.lines(statement)
    if end - start > LONGEST:
        return None
    blank_end = source.line_end(end)
    if not source.text[end:blank_end].strip():
        end = min(blank_end + 1, len(source.text))
    return Change((Edit(start, end, ""),), facts)


def _by_hand(source: Source, item: ast.withitem) -> tuple[str, str] | None:
    """What stands before and behind the body when a resource is taken and given back by hand."""
    written = source.flat(item.context_expr)
    match item:
        case ast.withitem(ast.Call(func=ast.Name("open")), ast.Name(name)):
            return f"{name} = {written}", f"{name}.close()"
        case ast.withitem(ast.Name() | ast.Attribute(), None) if "lock" in written.lower():
            return f"{written}.acquire()", f"{written}.release()"
    return None


def _log_level(value: ast.expr) -> str | None:
    match value:
        case ast.Call(func=ast.Attribute(ast.Name(name) | ast.Attribute(attr=name), level)):
            return level if level in LEVELS and "log" in name.lower() else None
    return None
