"""Comments, strings and brackets by the table of a language; `║` marks a cursor."""

from __future__ import annotations

import pytest

from sampler.text.lexing import Lexed, lexed_at, tokens, unpaired_lines


def lexed(marked: str, language: str) -> Lexed:
    before, _, after = marked.partition("║")
    return lexed_at(before, after, language)


@pytest.mark.parametrize(
    ("language", "marked", "surroundings", "quote"),
    [
        ("go", 'a := "b║c"', "string", '"'),
        ("go", 'a := "b║', "string", '"'),
        ("go", 'a := "b\n║', "code", None),
        ("go", "a := `b\n║", "text", "`"),
        ("go", 'a := "b"║', "code", None),
        ("go", "f() // it's ║", "comment", None),
        ("go", "f() // it's\n║", "code", None),
        ("go", "/* it's\n║ */", "comment", None),
        ("go", 'a := "\\"║', "string", '"'),
        ("rust", "fn f<'a>(x: &'a str║", "code", None),
        ("rust", "let c = '║'", "code", None),
        ("rust", 'let a = r#"b " ║"#', "text", '#"'),
        ("java", '"""\n it\'s "║" \n"""', "text", '"""'),
        ("csharp", 'var a = @"c:\\"║', "code", None),
        ("cpp", 'R"(a " ║)"', "text", '"('),
        ("lua", "x = [==[ ]] ║]==]", "text", "[==["),
        ("lua", "--[[ a\n║]]", "comment", None),
        ("lua", "-- a\n║", "code", None),
        ("sql", "SELECT 'it''s ║", "text", "'"),
        ("sql", "SELECT $$ it's ║$$", "text", "$$"),
        ("haskell", "f x' = ║", "code", None),
        ("haskell", "{- it's\n║", "comment", None),
        ("ocaml", "(* it's ║ *)", "comment", None),
        ("clojure", '(f \\" ║', "code", None),
        ("clojure", '(f "a\n║', "text", '"'),
        ("ruby", "# it's\nx = 'a║'", "text", "'"),
        ("perl", "$#a + '║", "text", "'"),
        ("php", "# it's\n$a = '║", "text", "'"),
        ("css", "a { b: url('║", "string", "'"),
        ("scss", "a { b: url(http://c║", "code", None),
        ("yaml", "a: don't b║", "code", None),
        ("yaml", "a: 'b║", "text", "'"),
        ("yaml", "a: b#c║", "code", None),
        ("vb", 'x = "a" \' it "║', "comment", None),
        ("html", '<p class="a║">', "text", '"'),
        ("html", "<p>don't ║</p>", "code", None),
        ("powershell", '"a `"║"', "text", '"'),
        ("matlab", "a' * b║", "code", None),
        ("nobody knows", "it's # // -- ║", "code", None),
    ],
)
def test_what_a_cursor_stands_in(language: str, marked: str, surroundings: str, quote: str | None) -> None:
    found = lexed(marked, language)
    assert (found.surroundings, found.quote) == (surroundings, quote)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("go", "f(\")\", '(', `[`) // (\n[]", "()[]"),
        ("rust", "f::<'a>('(', \"[\")", "()"),
        ("lua", "f([[(]], '[') --[[ { ]] {}", "(){}"),
        ("sql", "f('(''[') -- (\n/* ( */ $a$ ( $a$", "()"),
        ("cobol", 'it\'s (a) "["', "()["),
        ("pascal", "{ ( } f('[') (* ( *)", "()"),
    ],
)
def test_brackets_of_code_alone(language: str, text: str, expected: str) -> None:
    found = lexed(f"║{text}", language)
    assert "".join(bracket for bracket, _ in found.brackets("all")) == expected


def test_where_a_string_ends_that_text_is_written_into() -> None:
    place = lexed('x = "║', "go")
    assert place.inserted('a\\"b" + c').string_end == 4
    assert place.inserted("a").string_end is None
    assert place.inserted('a"').at_end.surroundings == "code"


def test_every_sign_is_looked_at_once() -> None:
    """A text of nothing but beginnings yields tokens that follow each other and end with it."""
    for language in ("go", "lua", "rust", "sql", "yaml", "pascal"):
        found = list(tokens("\"'`[[{(/*--#" * 500, language))
        assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))


@pytest.mark.parametrize(
    ("language", "text", "lines"),
    [
        ("rust", "fn f() {\n    g('{');\n}\n", []),
        ("rust", "fn f() {\n    g(]\n}\n", [0, 1, 1, 2]),
        ("rust", "fn f() {\n    1\n", [0]),
        ("go", 'x := "a\ny()\n', [0]),
        ("java", "// (\n/* { */ f();\n}", [2]),
        ("text", "(", []),
    ],
)
def test_brackets_that_pair_with_none(language: str, text: str, lines: list[int]) -> None:
    assert unpaired_lines(text, language) == lines
