"""Comments, strings and brackets of languages that no grammar is at hand for, read from left to right.

Each family of languages has a table of the forms that its comments and strings take. Unlike a highlighter's, they hold
for code that is being written: a string that is not closed yet is one, up to the end of its line or of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple, TypeAlias

from sampler.text.windows import parsed_end, parsed_start

Surroundings: TypeAlias = Literal["code", "string", "text", "comment"]
"""A text is a string that may run over several lines, such as a docstring."""

Part: TypeAlias = Literal["before", "inside", "after", "all"]

BRACKETS = frozenset("()[]{}")


class Form(NamedTuple):
    """A kind of comment or string: patterns of what opens it, of what it holds, and of what closes it."""

    kind: Surroundings
    opens: str
    body: str
    closes: str = ""

    @property
    def pattern(self) -> re.Pattern[str]:
        """All of it, the closing sign in the group `closed` where it is there."""
        return re.compile(rf"(?P<opened>{self.opens})(?:{self.body})(?:(?P<closed>{self.closes})|)", re.S | re.M)


class Token(NamedTuple):
    """A comment, a string or, of kind "code", a bracket, from character `start` to `end`."""

    kind: Surroundings
    start: int
    end: int
    opened: str
    closed: str | None
    """What closes it; None where it is not closed, empty for a comment of one line."""


def _line(sign: str) -> Form:
    return Form("comment", sign, r"[^\n]*")


def _between(opens: str, closes: str, kind: Surroundings = "comment") -> Form:
    return Form(kind, opens, rf".*?(?={closes}|\Z)", closes)


def _string(opens: str, quote: str, escape: str = r"\\", *, runs_on: bool = False) -> Form:
    """A string with escapes, of one line or one that runs on over several."""
    plain = rf"[^{quote}{escape}]" if runs_on else rf"[^{quote}{escape}\n]"
    return Form("text" if runs_on else "string", opens, rf"(?:{plain}|{escape}.)*+" if escape else rf"{plain}*+", quote)


def _doubled(opens: str, quote: str, kind: Surroundings = "text") -> Form:
    """A string in which two quotes stand for one."""
    return Form(kind, opens, rf"(?:[^{quote}]|{quote}{quote})*+", quote)


_APOSTROPHE = r"(?<!\w)'"
_PREFIXED = r"(?:(?<!\w)|(?<=\b\w))'"
"""An apostrophe within a word opens no string, behind a single letter such as the N of SQL it does."""
_DOUBLE, _SINGLE = _string('"', '"'), _string(_PREFIXED, "'")
_LONG_DOUBLE, _LONG_SINGLE = _string('"', '"', runs_on=True), _string(_APOSTROPHE, "'", runs_on=True)
_TRIPLE, _TRIPLE_SINGLE = _between('"""', '"""', "text"), _between("'''", "'''", "text")
_BACKTICK, _RAW_BACKTICK = _string("`", "`", runs_on=True), _string("`", "`", "", runs_on=True)
_CHARACTER = Form("string", r"(?<!\w)'(?=\\[^\n]{1,10}?'|[^\\\n]')", r"\\?[^\n][^'\n]*", "'")
"""Where an apostrophe has other uses, such as lifetimes or primes, only one that is closed is a character's."""
_SLASHES, _STARS, _HASH = _line("//"), _between(r"/\*", r"\*/"), _line("#")
_WORD_HASH = _line(r"(?<![^\s;(])#")
_DASHES, _SEMICOLON, _PERCENT = _line("--"), _line(";"), _line(r"(?<!\\)%")
_PARENTHESES = _between(r"\(\*", r"\*\)")
_MARKUP = (
    _between("<!--", "-->"),
    _string('(?<==)"', '"', "", runs_on=True),
    _string("(?<==)'", "'", "", runs_on=True),
)
_C = (_SLASHES, _STARS)
_RAW_RUST = Form("text", r'\bb?r(?P<hashes>#*)"', r'.*?(?="(?P=hashes)|\Z)', '"(?P=hashes)')
_RAW_CPP = Form("text", r'R"(?P<fence>[^\s()\\]{0,16})\(', r'.*?(?=\)(?P=fence)"|\Z)', r'\)(?P=fence)"')
_LUA_TEXT = Form("text", r"\[(?P<level>=*)\[", r".*?(?=\](?P=level)\]|\Z)", r"\](?P=level)\]")
_LUA_COMMENT = Form("comment", r"--\[(?P<depth>=*)\[", r".*?(?=\](?P=depth)\]|\Z)", r"\](?P=depth)\]")
_DOLLARS = Form("text", r"(?<!\w)\$(?P<tag>\w*)\$", r".*?(?=\$(?P=tag)\$|\Z)", r"\$(?P=tag)\$")
_LISP_CHARACTER = Form("string", r"#?\\(?=\S)", r"(?:\w+|.)")
_YAML_START = r"(?<![^\s\[{,:])"

_FORMS: dict[str, tuple[Form, ...]] = {
    "python": (_HASH, _TRIPLE, _TRIPLE_SINGLE, _DOUBLE, _string("'", "'")),
    "javascript javascriptreact typescript typescriptreact": (*_C, _DOUBLE, _SINGLE, _BACKTICK),
    "c objective-c glsl hlsl wgsl zig proto proto3 solidity cuda": (*_C, _DOUBLE, _SINGLE),
    "cpp cuda-cpp objective-cpp": (*_C, _RAW_CPP, _DOUBLE, _SINGLE),
    "go": (*_C, _DOUBLE, _SINGLE, _RAW_BACKTICK),
    "rust": (*_C, _RAW_RUST, _LONG_DOUBLE, _CHARACTER),
    "java kotlin scala groovy swift": (*_C, _TRIPLE, _DOUBLE, _SINGLE),
    "dart": (*_C, _TRIPLE, _TRIPLE_SINGLE, _DOUBLE, _SINGLE),
    "csharp": (*_C, _TRIPLE, _doubled(r'(?:\$@|@\$?)"', '"'), _DOUBLE, _SINGLE),
    "php": (*_C, _line(r"#(?!\[)"), _LONG_DOUBLE, _LONG_SINGLE),
    "css": (_STARS, _DOUBLE, _SINGLE),
    "scss less sass stylus": (_STARS, _line("(?<!:)//"), _DOUBLE, _SINGLE),
    "verilog systemverilog": (*_C, _DOUBLE),
    "ruby crystal": (_between("^=begin", "^=end"), _HASH, _LONG_DOUBLE, _LONG_SINGLE),
    "perl perl6 raku": (_line(r"(?<!\$)#"), _LONG_DOUBLE, _LONG_SINGLE),
    "r makefile dockerfile cmake properties awk tcl": (_HASH, _DOUBLE, _string(_APOSTROPHE, "'")),
    "shellscript fish": (_WORD_HASH, _LONG_DOUBLE, _string("'", "'", "", runs_on=True)),
    "julia": (_between("#=", "=#"), _HASH, _TRIPLE, _LONG_DOUBLE, _CHARACTER),
    "elixir": (_HASH, _TRIPLE, _TRIPLE_SINGLE, _LONG_DOUBLE, _LONG_SINGLE),
    "nim": (_between(r"#\[", r"\]#"), _HASH, _TRIPLE, _DOUBLE, _CHARACTER),
    "powershell": (_between("<#", "#>"), _HASH, _string('"', '"', "`", runs_on=True), _doubled("'", "'")),
    "terraform hcl nix": (*_C, _HASH, _DOUBLE),
    "graphql": (_HASH, _TRIPLE, _DOUBLE),
    "toml": (_HASH, _TRIPLE, _TRIPLE_SINGLE, _DOUBLE, _string("'", "'", "")),
    "yaml dockercompose": (_WORD_HASH, _string(f'{_YAML_START}"', '"', runs_on=True), _doubled(f"{_YAML_START}'", "'")),
    "json jsonc json5 jsonl": (*_C, _DOUBLE),
    "lua luau": (_LUA_COMMENT, _DASHES, _LUA_TEXT, _DOUBLE, _SINGLE),
    "sql mysql postgres pgsql plsql sqlite": (
        *(_DASHES, _STARS, _DOLLARS, _doubled(_PREFIXED, "'"), _doubled('"', '"', "string")),
        _string("`", "`", ""),
    ),
    "haskell elm purescript": (_between(r"\{-", r"-\}"), _line(r"--(?![!#$%&*+./<=>?@\\^|~:])"), _DOUBLE, _CHARACTER),
    "ocaml sml reason": (_PARENTHESES, _LONG_DOUBLE, _CHARACTER),
    "fsharp": (_PARENTHESES, _SLASHES, _TRIPLE, _LONG_DOUBLE, _CHARACTER),
    "clojure": (_SEMICOLON, _LISP_CHARACTER, _LONG_DOUBLE),
    "lisp elisp emacs-lisp scheme racket commonlisp": (_SEMICOLON, _LISP_CHARACTER, _LONG_DOUBLE),
    "erlang": (_PERCENT, _LONG_DOUBLE, _LONG_SINGLE),
    "matlab octave": (_PERCENT, _DOUBLE, _string(r"(?<![\w)\]}.'])'", "'", "")),
    "vb": (_line("'"), _doubled('"', '"', "string")),
    "ada vhdl": (_DASHES, _doubled('"', '"', "string"), _CHARACTER),
    "pascal": (_SLASHES, _between(r"\{", r"\}"), _PARENTHESES, _string("'", "'", "")),
    "html xml xsl svg vue svelte handlebars razor": _MARKUP,
}
_PREFIX = re.compile(r"^[$@\w]+(?=[\"'#])")
_MIRRORED = str.maketrans("[(", "])")
_FORMS_OF = {language: forms for languages, forms in _FORMS.items() for language in languages.split()}


@dataclass(frozen=True)
class Lexed:
    """A window around a cursor, or around the text that was inserted there, as `Syntax` in what both of them tell."""

    language: str
    source: str
    start: int
    """Character of the cursor, which is where an insertion begins."""
    end: int
    """Character behind the insertion; `start` where there is none."""
    _insertions: dict[str, Lexed] = field(default_factory=dict, repr=False, compare=False)

    @property
    def knows_brackets(self) -> bool:
        """Whether it tells brackets of code from those of comments and strings."""
        return self.language in _FORMS_OF

    @property
    def n_before(self) -> int:
        """Characters of the window before the cursor."""
        return self.start

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """Comments, strings and brackets of the whole window, in order."""
        return tuple(tokens(self.source, self.language))

    @property
    def surroundings(self) -> Surroundings:
        """What the cursor stands in."""
        return self._around.kind if self._around else "code"

    @property
    def quote(self) -> str | None:
        """What opened the string that the cursor stands in; None outside of strings."""
        token = self._around
        return _PREFIX.sub("", token.opened) if token and token.kind in ("string", "text") else None

    @property
    def closing(self) -> str:
        """What closes the string that the cursor stands in."""
        return (self.quote or "")[::-1].translate(_MIRRORED)

    @cached_property
    def string_end(self) -> int | None:
        """Characters of the insertion up to the quotes that close the string around the cursor; None if it has none."""
        token = self._around
        if self.quote is None or token is None or not token.closed:
            return None
        at = token.end - len(token.closed)
        return at - self.start if self.start <= at and token.end <= self.end else None

    @property
    def at_end(self) -> Lexed:
        """The same with the cursor behind the insertion."""
        return replace(self, start=self.end, _insertions={})

    @cached_property
    def n_errors(self) -> int:
        """How many strings are not closed, or have a letter right behind them."""
        strings = [token for token in self.tokens if token.kind in ("string", "text") and token.closed != ""]
        return sum(token.closed is None or self.source[token.end : token.end + 1].isalnum() for token in strings)

    def brackets(self, part: Part) -> list[tuple[str, int]]:
        """The brackets of code before, inside or after the insertion, or all, with their characters' numbers."""
        n = len(self.source)
        edges = {"before": (0, self.start), "inside": (self.start, self.end), "after": (self.end, n), "all": (0, n)}
        first, last = edges[part]
        found = [token for token in self.tokens if token.kind == "code" and first <= token.start < last]
        return [(token.opened, token.start - first) for token in found]

    def inserted(self, text: str) -> Lexed:
        """What becomes of it when `text` is inserted at the cursor; filters that ask for the same text share it."""
        if text not in self._insertions:
            source = self.source[: self.start] + text + self.source[self.start :]
            self._insertions[text] = Lexed(self.language, source, self.start, self.start + len(text))
        return self._insertions[text]

    @cached_property
    def _around(self) -> Token | None:
        found = (token for token in self.tokens if token.kind != "code" and token.start < self.start <= token.end)
        return next((token for token in found if self.start < token.end or not token.closed), None)


def lexed_at(before: str, after: str, language: str) -> Lexed:
    """The place between `before` and `after` by the table of its language; one that has none is all code."""
    head, tail = before[parsed_start(before, language) :], after[: parsed_end(after)]
    return Lexed(language, head + tail, len(head), len(head))


def tokens(text: str, language: str, start: int = 0) -> Iterator[Token]:
    """Comments, strings and brackets of a text from a character on; of a language without a table brackets alone."""
    opening, patterns = _lexer(language)
    found = opening.search(text, start)
    while found is not None:
        if found.lastgroup == "bracket":
            token = Token("code", found.start(), found.end(), found[0], "")
        else:
            token = _read(text, found.start(), patterns[found.lastgroup or ""])
        yield token
        found = opening.search(text, token.end)


def unpaired_lines(text: str, language: str) -> list[int]:
    """The line, from 0, of each bracket that pairs with none and each string that is not closed, in order.

    Empty for a language without a table, whose comments and strings are not known.
    """
    if language not in _FORMS_OF:
        return []
    places, opened = list[int](), list[Token]()
    for token in tokens(text, language):
        if token.kind == "code" and token.opened in "([{":
            opened.append(token)
        elif token.kind == "code" and opened and opened[-1].opened + token.opened in ("()", "[]", "{}"):
            opened.pop()
        elif token.kind == "code" or (token.kind in ("string", "text") and token.closed is None):
            places.append(token.start)
    places = sorted([*places, *(token.start for token in opened)])
    return list(accumulate(text.count("\n", a, b) for a, b in pairwise([0, *places])))


def without_comment(line: str, language: str) -> str:
    """A line of code up to the comment that it ends with."""
    comment = next((token for token in tokens(line, language) if token.kind == "comment"), None)
    return line if comment is None or line[comment.end :].strip() else line[: comment.start].rstrip()


def comment_signs(language: str) -> str | None:
    """A pattern of what opens a comment; None for a language without a table."""
    signs = [form.opens for form in _FORMS_OF.get(language, ()) if form.kind == "comment"]
    return "|".join(signs) or None


def _read(text: str, start: int, form: tuple[Surroundings, re.Pattern[str]]) -> Token:
    kind, pattern = form
    found = pattern.match(text, start)
    assert found is not None, "a form matches where its beginning does"
    return Token(kind, start, max(found.end(), start + 1), found["opened"], found["closed"])


@cache
def _lexer(language: str) -> tuple[re.Pattern[str], dict[str, tuple[Surroundings, re.Pattern[str]]]]:
    """What opens a token, in a group by the name of its form or "bracket"; the forms by these names."""
    forms = {f"form{n}": form for n, form in enumerate(_FORMS_OF.get(language, ()))}
    opens = [rf"(?P<{name}>{form.opens})" for name, form in forms.items()]
    opening = re.compile("|".join([*opens, r"(?P<bracket>[()\[\]{}])"]), re.M)
    return opening, {name: (form.kind, form.pattern) for name, form in forms.items()}
