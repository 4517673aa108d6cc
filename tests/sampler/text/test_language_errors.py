"""What a language does not take is an error, also where its grammar lets it pass."""

from __future__ import annotations

import ast
import subprocess

import pytest

from sampler.text.syntax import error_lines

HEADS = [
    *("if x:", "for x in y:", "while x:", "with x:", "def f():", "async def f():", "class A:", "match x:"),
    *("if x:\n    y\nelif x:", "if x:\n    y\nelse:", "for x in y:\n    z\nelse:", "while x:\n    y\nelse:"),
    *("try:", "try:\n    x\nexcept E:", "try:\n    x\nexcept* E:", "try:\n    x\nfinally:"),
    *("try:\n    x\nexcept E:\n    y\nelse:", "match x:\n    case 1:", "class A:\n    def f(self):"),
    "if x:\n    if y:",
]
BEHIND_HEADS = ["", "\n", "\n    ", "\n    \n", "\n# later\n", "\n    # later\n", "\nfoo()\n"]
PYTHON = [
    # wrong, and the line on which it is, from 0
    ("try:\n    x\n", 1),
    ("try:\n    x\nfoo()\n", 1),
    ("@decorator\n", 0),
    ("x = 1\n    y = 2\n", 1),
    ("if x:\n    y\n  z\n", 2),
    ("class A:\n    def f(self):\n        x\n      y = 2\n", 3),
    ("if x:\n    y\n  else:\n    z\n", 2),
    ("if x:\n    try:\n        y\n      finally:\n        z\n", 3),
    ("@decorator\n    def f():\n        pass\n", 1),
    ("f(a=1, b)", 0),
    ("f(**a, *b, c)", 0),
    ("class A(x=1, B): pass", 0),
    ("def f(a=1, b): pass", 0),
    ("def f(a: int = 1, b: int): pass", 0),
    ("lambda a=1, b: 0", 0),
    ("print x", 0),
    ("exec x", 0),
    ("x = '''abc", 0),
    ('x = "abc', 0),
    ("x = f'{a", 0),
    ("x = (1,\n", 0),
    ("x = 1 \\", 0),
]
SHELL = [
    ("if a; then\nfi\n", 0),
    ("if a; then\n  # later\nfi\n", 0),
    ("if a; then\n  b\nelse\nfi\n", 2),
    ("if a; then\n  b\nelif c; then\nfi\n", 2),
    ("while a; do\ndone\n", 0),
    ("for a in b; do\ndone\n", 0),
    ("f() {\n}\n", 0),
    ("a\nfi\n", 1),
    ("a\ndone\n", 1),
    ("else\n", 0),
    ("if a; then\n  b\n", 2),
    ("a 'b\n", 0),
]
OTHERS = [
    ("javascript", "f(() => {\n"),
    ("javascript", "x = `abc"),
    ("javascript", "x = 'abc"),
    ("javascript", "if (x)"),
    ("javascript", "/* abc"),
    ("typescript", "function f(a: ) {}"),
    ("c", "int f() {\n"),
    ("c", 'char *x = "abc'),
    ("c", "int f() { return 1 }"),
    ("json", '{"a": [1'),
    ("json", '{"a": "b'),
    ("toml", "a = "),
    ("toml", 'a = "b'),
]
RIGHT = [
    *("if x:\n    pass", "if x: pass", "def f(): ...\n"),
    "try:\n    x\nexcept E:\n    y\nelse:\n    z\nfinally:\n    w\n",
    *("match x:\n    case 1:\n        y\n    case _: z\n", "if x:\n    # why\n    y\n", "if x:\n  y\nelse:\n      z\n"),
    *("f(1, *a, x=1, *b, **c, y=2)", "def f(a, b=1, /, c=2, *, d, e=3, **k): pass", "lambda *a, b=1, c: 0"),
    *("def f(a=1, *b: int, c): pass", "class A(B, metaclass=C): pass", "@a\n@b\nasync def f():\n    pass\n"),
    *("print(x)", "print (x)", "exec(x)", "f(x=1,\n  # why\n  y=2)", "f(x for x in y)", "if x: y\nelse: z\n", ""),
    *("x = [\n    1,\n        2,\n]\ny = 3\n", "x = '''\n  a\n'''\n", "# only words\n"),
]


@pytest.mark.parametrize("behind", BEHIND_HEADS)
@pytest.mark.parametrize("head", HEADS)
def test_a_head_without_a_body(head: str, behind: str) -> None:
    with pytest.raises(SyntaxError):
        ast.parse(head + behind)
    assert error_lines(head + behind, "python")


@pytest.mark.parametrize(("code", "line"), PYTHON)
def test_what_python_does_not_take(code: str, line: int) -> None:
    with pytest.raises(SyntaxError):
        ast.parse(code)
    assert error_lines(code, "python") == [line]


@pytest.mark.parametrize("code", RIGHT)
def test_what_python_takes(code: str) -> None:
    ast.parse(code)
    assert error_lines(code, "python") == []


@pytest.mark.parametrize(("code", "line"), SHELL)
def test_what_a_shell_does_not_take(code: str, line: int) -> None:
    assert subprocess.run(["bash", "-n"], input=code.encode(), capture_output=True).returncode
    assert error_lines(code, "shellscript") == [line]


@pytest.mark.parametrize(
    "code",
    ["if a; then b; elif c; then d; else e; fi", "f() {\n  # why\n  a\n}\n", "echo fi done", "case a in b) ;; esac"],
)
def test_what_a_shell_takes(code: str) -> None:
    assert error_lines(code, "shellscript") == []


@pytest.mark.parametrize(("language", "code"), OTHERS)
def test_what_is_unfinished_in_other_languages(language: str, code: str) -> None:
    assert error_lines(code, language)
