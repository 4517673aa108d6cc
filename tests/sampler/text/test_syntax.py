"""What a grammar says of the code around a cursor; `║` marks it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sampler.text import syntax as syntax_module
from sampler.text.grammars import languages, parser_for
from sampler.text.syntax import Syntax, syntax_at
from sampler.text.syntax_errors import SyntaxErrors
from sampler.text.windows import PARSED_AFTER, PARSED_BEFORE

SOURCES = sorted(Path(syntax_module.__file__).parents[1].glob("*/*.py"))


def syntax(marked: str, language: str = "python") -> Syntax:
    before, _, after = marked.partition("║")
    found = syntax_at(before, after, language)
    assert found
    return found


@pytest.mark.parametrize(
    ("language", "marked", "expected"),
    [
        ("python", 'x = "ab║c"\n', "string"),
        ("python", 'x = "ab║\ny = 1\n', "string"),
        ("python", 'x = "é漢😀║"\n', "string"),
        ("python", 'x = f"{a║}"\n', "code"),
        ("python", 'x = f"{a}║"\n', "string"),
        ("python", 'x = f"{a} ║b"\n', "string"),
        ("python", 'x = f"{d["║"]}"\n', "string"),
        ("python", 'x = f║"a"\n', "code"),
        ("python", 'print("it\\"s ║)\n', "string"),
        ("javascript", "x = /a║b/;\n", "string"),
        ("javascript", "x = `a ${f(║)}`;\n", "code"),
        ("javascript", "x = `a ${f(1)}║`;\n", "text"),
        ("shellscript", "cat <<E\nit's ║\nE\n", "text"),
        ("shellscript", 'x="$(ls ║)"\n', "code"),
        ("c", "char c = '║';\n", "string"),
        ("python", "x = 1 # ab║\ny", "comment"),
        ("python", "x = 1 # ab\n║y", "code"),
        ("python", 'def f():\n    """words\n    x║', "text"),
        ("python", 'def f():\n    """words\n    x║\n    """\n    return 1\n', "text"),
        ("python", 'x = """\n"""\n║', "code"),
        ("python", 'x = "a"║', "code"),
        ("python", 'x = ║"a"', "code"),
        ("python", "║", "code"),
        ("javascript", 'const x = "ab║', "string"),
        ("javascript", "const x = `a ${b║} c`", "code"),
        ("javascript", "const x = `a ║${b} c`", "text"),
        ("javascript", "/* ab║ */ x", "comment"),
        ("javascript", "// ab║\n x", "comment"),
        ("typescript", "let x: number = ║", "code"),
        ("c", 'char *s = "ab║c";', "string"),
        ("shellscript", 'echo "a ║"', "string"),
        ("json", '{"a║": 1}', "string"),
        ("toml", "a = 1 # ║", "comment"),
    ],
)
def test_what_a_cursor_stands_in(language: str, marked: str, expected: str) -> None:
    assert syntax(marked, language).surroundings == expected


@pytest.mark.parametrize(
    ("language", "marked", "inserted", "statement", "block"),
    [
        ("python", "x = ║\n", "f(\n  1,\n)\ny = 2", "f(\n  1,\n)", None),
        ("python", "def f():\n    x = ║\n\ny = 2\n", "a + 1\n    b = 2", "a + 1", None),
        ("python", "def f():\n    ║\n\ny = 2\n", "a = 1\n    b = 2\n\n\ndef g():\n    p", "a = 1", "a = 1\n    b = 2"),
        ("python", "def f():║\n", "\n    é = 1\n\n\ny = 2", "\n    é = 1", "\n    é = 1"),
        ("python", "x = 1\n║", "for y in z:\n    a()\nb()", "for y in z:\n    a()", None),
        ("javascript", "function f() {\n  ║\n}\n", "x();\n  y();\n}\n\nz();", "x();", "x();\n  y();\n}"),
        ("javascript", "function f() {\n  x = ║\n}\n", "{a: 1};\n  y();", "{a: 1};", None),
        ("c", "int f() {\n  ║\n}\n", "int a = 1;\n  a++;", "int a = 1;", None),
    ],
)
def test_where_statement_and_block_end(
    language: str, marked: str, inserted: str, statement: str | None, block: str | None
) -> None:
    found = syntax(marked, language).inserted(inserted)
    assert found.statement_end == (None if statement is None else len(statement))
    assert found.block_end == (None if block is None else len(block))


@pytest.mark.parametrize(
    ("marked", "inserted", "change"),
    [
        ("x = ║\n", "1", -1),
        ("x = ║\n", "f(", 0),
        ("║\n", "f(", 1),
        ("f(║)\n", "a)", 1),
        ("if x:\n    ║\n", "return return", 1),
        ("║", "for x in y:", 0),
        ("é = '漢'\n║\n", "x = 1", 0),
        ("f(x)║\n", "import a", 1),
        ("class A:\n    def f(self):\n        self.a(x)║y = 1\n", "\n        ", -1),
    ],
)
def test_errors_before_and_after_an_insertion(marked: str, inserted: str, change: int) -> None:
    before = syntax(marked)
    assert before.inserted(inserted).n_errors - before.n_errors == change


@pytest.mark.parametrize(
    ("marked", "inserted", "is_worse", "is_whole"),
    [
        ("║\n", "x = 1", False, True),
        ("║\n", "x = (1", True, False),
        ("if x:\n    ║\n", "pass", False, True),
        ("if x:\n    ║\n", "if y:", False, False),
        ("if x:\n    y\n║\n", "if y:", False, False),
        ("║\n    y\n", "if x:", False, True),
        ("if x:\n    y\n║z\n", "        z = 1\n", True, False),
        ("class A:\n    x = 1\n║    y = 2\n", "    z = 1\n", False, True),
        ("def f():\n    # nothing yet\n    ║\n", "return 1  # now", False, True),
    ],
)
def test_what_is_worse_and_what_is_whole(marked: str, inserted: str, is_worse: bool, is_whole: bool) -> None:
    found = syntax(marked)
    assert (found.is_worse(inserted), SyntaxErrors(found).is_whole(inserted)) == (is_worse, is_whole)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sound_code_has_no_errors(path: Path) -> None:
    found = syntax_at(path.read_text()[:6000].rpartition("\n\n\n")[0], "", "python")
    assert found and found.n_syntax_errors == 0


def test_an_insertion_is_parsed_as_the_whole_text_would_be() -> None:
    marked = "class A:\n    def f(self):\n        ║\n\n    def g(self):\n        pass\n"
    inserted = "if x:\n  return (1,\n2)"
    before, _, after = marked.partition("║")
    fresh = syntax_at(before + inserted, after, "python")
    assert fresh
    assert str(syntax(marked).inserted(inserted).tree.root_node) == str(fresh.tree.root_node)


@pytest.mark.parametrize(
    ("marked", "quote"),
    [("x = 'a║'", "'"), ('x = rb"║"', '"'), ("'''a║", "'" * 3), ("x = 'a'║", None), ("f'{║}'", None)],
)
def test_the_quote_around_a_cursor(marked: str, quote: str | None) -> None:
    assert syntax(marked).quote == quote


def test_brackets_are_those_of_code() -> None:
    found = syntax("f([║'('))  # )\n").inserted("é(1), ')', {")
    assert found.brackets("before") == [("(", 1), ("[", 2)]
    assert found.brackets("inside") == [("(", 1), (")", 3), ("{", 11)]
    assert found.brackets("after") == [(")", 3), (")", 4)]


def test_every_grammar_comes_with_the_installation() -> None:
    assert {"python", "javascript", "typescript", "c", "shellscript", "json", "toml", "markdown"} <= set(languages())
    assert all(parser_for(language) for language in languages())


def test_a_long_document_is_parsed_around_the_cursor_only() -> None:
    function = 'def f_{n}(a):\n    """Words.\n\nMore: (words\n    """\n    return a\n\n\n'
    text = "".join(function.replace("{n}", str(n)) for n in range(8000))
    middle = text.index("return", len(text) // 2)
    found = syntax_at(text[:middle], text[middle:], "python")
    assert found
    assert len(found.source) <= PARSED_BEFORE + PARSED_AFTER
    assert found.n_errors <= 2  # the string that the end of the window cuts
    assert found.surroundings == "code"


def test_a_window_does_not_begin_inside_a_long_string() -> None:
    words = "An apostrophe's end (and a bracket.\n" * (PARSED_BEFORE // 30)
    found = syntax(f'"""{words}"""\n' + "x = 1\n" * 1000 + "y = ║\n")
    assert re.match(rb"(x = 1\n)+y = \n", found.source)


@pytest.mark.parametrize("text", ["(" * 5000, "\0\ud800\U0010ffff", "\f\x0b" * 9, 'f"{' * 500])
def test_nothing_is_too_odd_to_be_parsed(text: str) -> None:
    found = syntax(text + "║" + text)
    assert found.surroundings in ("code", "string", "text", "comment")
    inserted = found.inserted(text)
    assert inserted.n_errors >= 0
    assert (inserted.statement_end or 0) >= 0
    assert (inserted.block_end or 0) >= 0


@pytest.mark.parametrize(
    ("marked", "knows"), [("#define F(x) ║(x)\n", False), ("#define F(x) (x║)\n", False), ("int a = f(║);\n", True)]
)
def test_what_a_grammar_does_not_read_is_left_to_the_table(marked: str, knows: bool) -> None:
    assert syntax(marked, "c").knows_brackets is knows


def test_a_language_without_a_grammar_has_no_syntax() -> None:
    assert syntax_at("a", "b", "cobol") is None
