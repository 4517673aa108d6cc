"""What people ask to be written another way: each function writes good code the long or the old way."""

from __future__ import annotations

import ast
import re
from random import Random

from seedfill.training.data.instruct.source import Change, Edit, Source, at, names_in

_HELD = re.compile(r"\{([^{}]*)\}")
_ATOMS = (ast.Constant, ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.List, ast.Dict, ast.Tuple)
_COLLECTED = {ast.ListComp: ("[]", "append"), ast.SetComp: ("set()", "add")}
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.BitOr: "|",
    ast.BitAnd: "&",
}


@at(ast.JoinedStr)
def f_string(source: Source, node: ast.JoinedStr, rng: Random) -> Change | None:
    """`f"a {b}"` → `"a {}".format(b)`, `"a %s" % b`, or `"a " + str(b)`."""
    written = source.words(node)
    held = _HELD.findall(written)
    quote = written[1:2]
    is_simple = written[:1] in "fF" and quote in "\"'" and written.count(quote) == 2 and written.endswith(quote)
    plain = [
        value
        for value in node.values
        if isinstance(value, ast.FormattedValue) and value.conversion == -1 and value.format_spec is None
    ]
    if not held or not is_simple or "\n" in written or len(plain) != len(held) or "=" in "".join(held):
        return None
    template, values = _HELD.sub("{}", written[1:]), ", ".join(held) + "," * (len(held) == 1)
    ways = [f"{template}.format({', '.join(held)})"]
    if isinstance(source.parent(node), ast.Call | ast.Assign | ast.Return) and "%" not in written:
        ways.append(f"{template.replace('{}', '%s')} % ({values})")
        ways.append(_joined(template, held, quote))
    return _replaced(source, node, rng.choice(ways))


@at(ast.Assign, ast.Return)
def comprehension(source: Source, node: ast.Assign | ast.Return, rng: Random) -> Change | None:
    """`x = [f(a) for a in b if c]` → an empty list and a loop that appends."""
    name = _assigned(node) if isinstance(node, ast.Assign) else "result"
    found = _loop(source, node.value, name or "")
    if name is None or found is None or name in names_in(node.value or node):
        return None
    empty, lines = found
    last = [f"return {name}"] if isinstance(node, ast.Return) else []
    return _as_lines(source, node, [f"{name} = {empty}", *lines, *last])


@at(ast.Return)
def any_or_all(source: Source, node: ast.Return, rng: Random) -> Change | None:
    """`return any(c for a in b)` → a loop that returns."""
    match node.value:
        case ast.Call(ast.Name("any" | "all" as name), [ast.GeneratorExp(test, [ast.comprehension() as loop])]):
            pass
        case _:
            return None
    if loop.ifs or loop.is_async:
        return None
    condition = source.flat(test) if name == "any" else f"not {_operand(source, test)}"
    lines = [
        f"for {source.flat(loop.target)} in {source.flat(loop.iter)}:",
        f"    if {condition}:",
        f"        return {name == 'any'}",
        f"return {name != 'any'}",
    ]
    return _as_lines(source, node, lines)


@at(ast.Assign, ast.Return)
def conditional_expression(source: Source, node: ast.Assign | ast.Return, rng: Random) -> Change | None:
    """`x = a if c else b` → `if c: x = a`, `else: x = b`."""
    value = node.value
    if not isinstance(value, ast.IfExp) or (isinstance(node, ast.Assign) and len(node.targets) != 1):
        return None
    lead = f"{source.flat(node.targets[0])} =" if isinstance(node, ast.Assign) else "return"
    lines = [
        f"if {source.flat(value.test)}:",
        f"    {lead} {source.flat(value.body)}",
        "else:",
        f"    {lead} {source.flat(value.orelse)}",
    ]
    return _as_lines(source, node, lines)


@at(ast.Return)
def boolean_return(source: Source, node: ast.Return, rng: Random) -> Change | None:
    """`return a == b` → `if a == b: return True`, `return False`."""
    value, answer = node.value, True
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not):
        value, answer = value.operand, False
    if not isinstance(value, ast.Compare) and answer:
        return None
    assert value is not None
    otherwise = ["else:", f"    return {not answer}"] if rng.random() < 0.5 else [f"return {not answer}"]
    return _as_lines(source, node, [f"if {source.flat(value)}:", f"    return {answer}", *otherwise])


@at(ast.Return)
def inline_variable(source: Source, node: ast.Return, rng: Random) -> Change | None:
    """`return f(x)` → `result = f(x)`, `return result`."""
    function = source.function_of(node)
    if not isinstance(node.value, ast.Call | ast.BinOp | ast.BoolOp | ast.Subscript) or function is None:
        return None
    free = [name for name in ("result", "value", "output", "ret", "res") if name not in names_in(function)]
    if not free:
        return None
    name = rng.choice(free)
    return _as_lines(source, node, [f"{name} = {source.flat(node.value)}", f"return {name}"], name=name)


@at(ast.If)
def guard_clause(source: Source, node: ast.If, rng: Random) -> Change | None:
    """What follows an `if` that leaves moves into its `else`."""
    block, i = source.block(node)
    if node.orelse or i + 1 == len(block) or not isinstance(node.body[-1], ast.Return | ast.Raise | ast.Continue):
        return None
    indent = source.indent(node)
    start, end = source.lines(node)[1], source.lines(block[-1])[1]
    rest = source.indented(block[i + 1], block[-1], source.indent(node.body[0]), start)
    if rest is None or indent.strip() or not source.is_alone(node) or len(rest) > 500:
        return None
    rest = rest.lstrip("\n")
    return Change((Edit(start, end, f"{indent}else:\n{rest}"),))


@at(ast.If)
def merged_conditions(source: Source, node: ast.If, rng: Random) -> Change | None:
    """`if a and b: BODY` → `if a:`, `if b: BODY`."""
    body, indent = node.body, source.indent(node)
    if not isinstance(node.test, ast.BoolOp) or not isinstance(node.test.op, ast.And) or node.orelse:
        return None
    if not source.is_alone(node) or source.start(body[0]) < source.line_end(source.start(node)):
        return None
    step = source.indent(body[0]).removeprefix(indent)
    inner = source.indented(body[0], body[-1], indent + 2 * step)
    if inner is None or len(inner) > 500:
        return None
    first, *others = [_operand(source, value) for value in node.test.values]
    lines = f"{indent}if {first}:\n{indent}{step}if {' and '.join(others)}:\n{inner}"
    start, end = source.lines(node)
    return Change((Edit(start, end, lines),))


@at(ast.Compare)
def identity_with_none(source: Source, node: ast.Compare, rng: Random) -> Change | None:
    """`x is None` → `x == None`."""
    match node:
        case ast.Compare(left, [ast.Is() | ast.IsNot() as operator], [ast.Constant(None) as none]):
            sign = "==" if isinstance(operator, ast.Is) else "!="
            edit = Edit(source.end(left), source.start(none), f" {sign} ")
            closes = source.text[edit.start : edit.end].strip() in ("is", "is not")
            return Change((edit,)) if closes else None
    return None


@at(ast.Compare)
def chained_comparison(source: Source, node: ast.Compare, rng: Random) -> Change | None:
    """`a < b < c` → `a < b and b < c`."""
    if len(node.ops) != 2 or not isinstance(node.comparators[0], ast.Name | ast.Attribute):
        return None
    middle = node.comparators[0]
    second = source.text[source.end(middle) : source.end(node)]
    joined = f"{source.text[source.start(node) : source.end(middle)]} and {source.words(middle)}{second}"
    return None if "\n" in joined else _replaced(source, node, _within(source, node, joined))


@at(ast.Call)
def isinstance_of_several(source: Source, node: ast.Call, rng: Random) -> Change | None:
    """`isinstance(x, (A, B))` → `isinstance(x, A) or isinstance(x, B)`."""
    match node:
        case ast.Call(ast.Name("isinstance"), [ast.Name() | ast.Attribute() as value, ast.Tuple([_, _, *_] as kinds)]):
            asked = [f"isinstance({source.flat(value)}, {source.flat(kind)})" for kind in kinds]
            return _replaced(source, node, _within(source, node, " or ".join(asked)))
    return None


@at(ast.AugAssign)
def augmented_assignment(source: Source, node: ast.AugAssign, rng: Random) -> Change | None:
    """`x += y` → `x = x + y`."""
    if type(node.op) not in _OPERATORS or not isinstance(node.target, ast.Name | ast.Attribute):
        return None
    target, value = source.words(node.target), source.flat(node.value)
    value = value if isinstance(node.value, _ATOMS) else f"({value})"
    return _replaced(source, node, f"{target} = {target} {_OPERATORS[type(node.op)]} {value}")


@at(ast.For)
def enumerated(source: Source, node: ast.For, rng: Random) -> Change | None:
    """`for i, x in enumerate(xs):` → `for i in range(len(xs)):`, `x = xs[i]`."""
    match node:
        case ast.For(
            ast.Tuple([ast.Name(index), ast.Name(item)]),
            ast.Call(ast.Name("enumerate"), [ast.Name() | ast.Attribute() as values], []),
        ):
            listed = source.words(values)
            return _unpacked(source, node, f"{index} in range(len({listed}))", f"{item} = {listed}[{index}]")
    return None


@at(ast.For)
def dict_items(source: Source, node: ast.For, rng: Random) -> Change | None:
    """`for k, v in d.items():` → `for k in d:`, `v = d[k]`."""
    match node:
        case ast.For(
            ast.Tuple([ast.Name(key), ast.Name(value)]),
            ast.Call(ast.Attribute(ast.Name() | ast.Attribute() as held, "items"), [], []),
        ):
            written = source.words(held)
            return _unpacked(source, node, f"{key} in {written}", f"{value} = {written}[{key}]")
    return None


@at(ast.Expr)
def yield_from(source: Source, node: ast.Expr, rng: Random) -> Change | None:
    """`yield from x` → `for item in x:`, `yield item`."""
    if not isinstance(node.value, ast.YieldFrom):
        return None
    return _as_lines(source, node, [f"for item in {source.flat(node.value.value)}:", "    yield item"])


@at(ast.Call)
def bare_super(source: Source, node: ast.Call, rng: Random) -> Change | None:
    """`super()` → `super(Class, self)`."""
    function = source.function_of(node)
    owner = source.parent(function) if function else None
    match node:
        case ast.Call(ast.Name("super"), [], []) if function and isinstance(owner, ast.ClassDef):
            if function.args.args:
                return _replaced(source, node, f"super({owner.name}, {function.args.args[0].arg})")
    return None


@at(ast.List, ast.Dict)
def literals(source: Source, node: ast.List | ast.Dict, rng: Random) -> Change | None:
    """`[]` → `list()`, `{}` → `dict()`."""
    written = source.words(node)
    return _replaced(source, node, {"[]": "list()", "{}": "dict()"}[written]) if written in ("[]", "{}") else None


@at(ast.Assign)
def named_constant(source: Source, node: ast.Assign, rng: Random) -> Change | None:
    """`LIMIT = 30`, used further down, is gone and 30 stands where it was used."""
    name, value = _assigned(node), source.words(node.value)
    if name is None or not _is_worth_a_name(node.value, value) or not source.is_alone(node):
        return None
    uses = [use for use in source.nodes(ast.Name) if use.id == name and use is not node.targets[0]]
    start, end = source.lines(node)
    reach = min(source.end(source.block(node)[0][-1]), start + 700)
    if not uses or not all(_is_read(source, use, name) and end <= source.start(use) < reach for use in uses):
        return None
    edits = [Edit(source.start(use), source.end(use), value) for use in uses]
    return Change((Edit(start, end, ""), *edits), {"name": name, "value": value})


def _replaced(source: Source, node: ast.AST, text: str) -> Change:
    return Change((Edit(source.start(node), source.end(node), text),))


def _as_lines(source: Source, node: ast.stmt, lines: list[str], **facts: str) -> Change | None:
    """The statement becomes several lines, where it has its own."""
    if not source.is_alone(node) or any("\n" in line for line in lines):
        return None
    indent = source.indent(node)
    return Change((Edit(source.start(node), source.end(node), f"\n{indent}".join(lines)),), facts)


def _assigned(node: ast.Assign) -> str | None:
    """The one name that is assigned to."""
    match node.targets:
        case [ast.Name(name)]:
            return name
    return None


def _is_worth_a_name(node: ast.expr, written: str) -> bool:
    is_literal = isinstance(node, ast.Constant) and type(node.value) in (int, float, str)
    return is_literal and 1 < len(written) < 60 and "\n" not in written


def _is_read(source: Source, use: ast.Name, name: str) -> bool:
    """Read, and found where the parser says: inside f-strings it may be wrong."""
    return isinstance(use.ctx, ast.Load) and source.words(use) == name


def _operand(source: Source, node: ast.expr) -> str:
    """The expression as it may stand behind `not` and beside `and`."""
    is_loose = isinstance(node, ast.BoolOp | ast.IfExp | ast.Lambda | ast.NamedExpr)
    return f"({source.flat(node)})" if is_loose else source.flat(node)


def _within(source: Source, node: ast.expr, text: str) -> str:
    """`a and b`, in brackets where what stands around it binds tighter."""
    is_free = isinstance(source.parent(node), ast.If | ast.While | ast.Return | ast.Assign)
    return text if is_free else f"({text})"


def _joined(template: str, held: list[str], quote: str) -> str:
    """`"a {} b"` and ["x"] → `"a " + str(x) + " b"`."""
    texts = template[1:-1].split("{}")
    parts = [f"{quote}{texts[0]}{quote}" if texts[0] else ""]
    for value, text in zip(held, texts[1:], strict=True):
        parts += [f"str({value})", f"{quote}{text}{quote}" if text else ""]
    return " + ".join(part for part in parts if part)


def _loop(source: Source, value: ast.expr | None, name: str) -> tuple[str, list[str]] | None:
    """What a comprehension starts from, and the lines that fill it."""
    if not isinstance(value, ast.ListComp | ast.SetComp | ast.DictComp) or len(value.generators) != 1:
        return None
    loop = value.generators[0]
    if loop.is_async or len(loop.ifs) > 1:
        return None
    if isinstance(value, ast.DictComp):
        empty, put = "{}", f"{name}[{source.flat(value.key)}] = {source.flat(value.value)}"
    else:
        empty, method = _COLLECTED[type(value)]
        put = f"{name}.{method}({source.flat(value.elt)})"
    lines = [f"for {source.flat(loop.target)} in {source.flat(loop.iter)}:"]
    lines += [f"    if {source.flat(loop.ifs[0])}:", f"        {put}"] if loop.ifs else [f"    {put}"]
    return empty, lines


def _unpacked(source: Source, node: ast.For, head: str, first: str) -> Change | None:
    """Another head of a loop, and one more line before its body."""
    if node.orelse or source.start(node.body[0]) < source.line_end(source.start(node)):
        return None
    if not source.is_alone(node.body[0]):
        return None
    start = source.lines(node.body[0])[0]
    line = f"{source.indent(node.body[0])}{first}\n"
    return Change((Edit(source.start(node.target), source.end(node.iter), head), Edit(start, start, line)))
