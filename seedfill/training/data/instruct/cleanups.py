"""What people ask to be cleaned, renamed or repaired: each function puts something wrong into good code."""

from __future__ import annotations

import ast
import builtins
import keyword
from random import Random

from seedfill.training.data.instruct.source import FUNCTIONS, Change, Edit, Function, Source, at, names_in

_OTHER_SIGN: dict[type[ast.AST], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.Add: ("+", ("-",)),
    ast.Sub: ("-", ("+",)),
    ast.Mult: ("*", ("+", "/")),
    ast.FloorDiv: ("//", ("/", "%")),
    ast.Mod: ("%", ("//",)),
    ast.And: ("and", ("or",)),
    ast.Or: ("or", ("and",)),
}
"""What stands between two operands, and what a slip may put there."""

_VAGUE = ("x", "val", "tmp", "data", "foo", "obj", "var", "thing", "temp", "stuff", "a", "b", "n")
_TAKEN = {*dir(builtins), *keyword.kwlist, *keyword.softkwlist, "self", "cls"}


@at(*FUNCTIONS)
def rename(source: Source, node: Function, rng: Random) -> Change | None:
    """A local name or an argument has a worse name."""
    inside = list(ast.walk(node))
    found = {name for name in _local_names(node) if len(name) > 2 and name not in _TAKEN}
    fixed = {name for n in inside if isinstance(n, ast.Global | ast.Nonlocal) for name in n.names}
    fixed |= names_in(*(n for n in inside if isinstance(n, ast.JoinedStr)), *node.decorator_list, *_signature(node))
    found -= fixed | {n.name for n in inside if isinstance(n, ast.ExceptHandler) and n.name}
    if not found:
        return None
    new = rng.choice(sorted(found))
    free = [name for name in (*_VAGUE, new[0], _camel(new)) if name not in source.names | _TAKEN and name != new]
    if not free:
        return None
    old = rng.choice(free)
    uses = [n for n in inside if (isinstance(n, ast.Name) and n.id == new) or (isinstance(n, ast.arg) and n.arg == new)]
    if len(uses) < 2 or any(not source.words(use).startswith(new) for use in uses):
        return None
    edits = [Edit(source.start(use), source.start(use) + len(new), old) for use in uses]
    return Change(tuple(edits), {"old": old, "new": new})


@at(ast.Module)
def sort_imports(source: Source, node: ast.Module, rng: Random) -> Change | None:
    """A sorted run of imports is out of order."""
    runs = [run for run in _import_runs(source, node.body) if len(run) > 2 and _is_sorted(source, run)]
    if not runs:
        return None
    run = rng.choice(runs)[:12]
    lines = [source.text[slice(*source.lines(statement))] for statement in run]
    shuffled = rng.sample(lines, len(lines))
    if shuffled == lines or not lines[-1].endswith("\n"):
        return None
    start, end = source.lines(run[0], run[-1])
    return Change((Edit(start, end, "".join(shuffled)),))


@at(ast.Return, ast.Raise)
def dead_code(source: Source, node: ast.Return | ast.Raise, rng: Random) -> Change | None:
    """A line that is never reached stands behind a `return` or `raise`."""
    block, i = source.block(node)
    if i + 1 < len(block) or not source.is_alone(node):
        return None
    at_end, indent = source.lines(node)[1], source.indent(node)
    names = [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    name = rng.choice(names or ["None"])
    line = rng.choice((f"return {name}", f"print({name})", "pass", f"x = {name}", f"if {name}:\n{indent}    pass"))
    if source.text[at_end - 1 : at_end] != "\n":
        return None
    return Change((Edit(at_end, at_end, f"{indent}{line}\n"),))


@at(*FUNCTIONS)
def unused_variable(source: Source, node: Function, rng: Random) -> Change | None:
    """A variable is assigned and never read."""
    names = [name for name in ("unused", "temp", "dummy", "old_value", "flag") if name not in source.names]
    if not names:
        return None
    name, value = rng.choice(names), rng.choice(("None", "0", "[]", "False", '""', "{}"))
    return _inserted(source, node, f"{name} = {value}", rng, name=name)


@at(*FUNCTIONS)
def debug_prints(source: Source, node: Function, rng: Random) -> Change | None:
    """A forgotten `print` shows an argument."""
    names = [arg.arg for arg in node.args.args] or ["here"]
    name = rng.choice(names)
    shown = rng.choice((f'print("{name}", {name})', f"print({name})", f'print("DEBUG", {name})'))
    return _inserted(source, node, shown if node.args.args else 'print("here")', rng)


@at(ast.Compare, ast.BinOp, ast.BoolOp)
def bug(source: Source, node: ast.Compare | ast.BinOp | ast.BoolOp, rng: Random) -> Change | None:
    """An operator is another one."""
    match node:
        case ast.Compare(left, [operator], [right]):
            pass
        case ast.BinOp(left, operator, right):
            pass
        case ast.BoolOp(operator, [left, right]):
            pass
        case _:
            return None
    return _slip(source, left, operator, right, rng)


@at(ast.If)
def wrong_condition(source: Source, node: ast.If, rng: Random) -> Change | None:
    """`if not x` → `if x`, and the other way round."""
    start = source.start(node.test)
    if source.text[start - 1] != " ":
        return None
    if isinstance(node.test, ast.UnaryOp) and source.words(node.test).startswith("not "):
        return Change((Edit(start, source.start(node.test.operand), ""),))
    if isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
        return Change((Edit(start, start, "not "),))
    return None


@at(ast.Call)
def off_by_one(source: Source, node: ast.Call, rng: Random) -> Change | None:
    """`range(n)` → `range(n + 1)` or `range(n - 1)`."""
    match node:
        case ast.Call(ast.Name("range"), [*_, ast.Name() | ast.Call() as last]) if len(node.args) < 3:
            end = source.end(last)
            return Change((Edit(end, end, rng.choice((" + 1", " - 1"))),))
    return None


@at(ast.Return)
def missing_return(source: Source, node: ast.Return, rng: Random) -> Change | None:
    """`return f(x)` at a function's end → `f(x)`."""
    function = source.function_of(node)
    if function is None or function.body[-1] is not node or not isinstance(node.value, ast.Call | ast.Name):
        return None
    return Change((Edit(source.start(node), source.start(node.value), ""),))


def _local_names(node: Function) -> set[str]:
    stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored | {arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}


def _signature(node: Function) -> list[ast.AST]:
    """What of a function's head is read outside it."""
    args = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    held = (*node.args.defaults, *node.args.kw_defaults, *(arg.annotation for arg in args), node.returns)
    return [part for part in held if part is not None]


def _camel(name: str) -> str:
    first, *others = name.strip("_").split("_")
    return first + "".join(map(str.capitalize, others))


def _import_runs(source: Source, block: list[ast.stmt]) -> list[list[ast.stmt]]:
    """Runs of one-line imports on neighbouring lines."""
    runs: list[list[ast.stmt]] = [[]]
    for statement in block:
        is_import = isinstance(statement, ast.Import | ast.ImportFrom) and statement.lineno == statement.end_lineno
        if not is_import or not source.is_alone(statement):
            runs.append([])
        elif runs[-1] and statement.lineno != runs[-1][-1].lineno + 1:
            runs.append([statement])
        else:
            runs[-1].append(statement)
    return runs


def _is_sorted(source: Source, run: list[ast.stmt]) -> bool:
    """By module, `import` before `from` or mixed: the two orders that tools make."""
    apart = [(isinstance(s, ast.ImportFrom), _module(s)) for s in run]
    return apart == sorted(apart) or [key[1] for key in apart] == sorted(key[1] for key in apart)


def _module(statement: ast.stmt) -> str:
    match statement:
        case ast.ImportFrom(module, _, level):
            return "." * level + (module or "").casefold()
        case ast.Import([alias, *_]):
            return alias.name.casefold()
    return ""


def _inserted(source: Source, node: Function, line: str, rng: Random, **facts: str) -> Change | None:
    """A line more before a statement of the function's body, its docstring apart."""
    has_docstring = ast.get_docstring(node, clean=False) is not None
    places = [statement for statement in node.body[has_docstring:] if source.is_alone(statement)]
    places = [place for place in places if not getattr(place, "decorator_list", None)]
    if not places:
        return None
    place = rng.choice(places)
    start = source.lines(place)[0]
    return Change((Edit(start, start, f"{source.indent(place)}{line}\n"),), facts)


def _slip(source: Source, left: ast.expr, operator: ast.AST, right: ast.expr, rng: Random) -> Change | None:
    """Another operator between two operands."""
    sign, others = _OTHER_SIGN.get(type(operator), ("", ("",)))
    start, end = source.end(left), source.start(right)
    between = source.text[start:end]
    if not sign or between.strip("() \n") != sign or between.count(sign) != 1:
        return None
    return Change((Edit(start, end, between.replace(sign, rng.choice(others))),))
