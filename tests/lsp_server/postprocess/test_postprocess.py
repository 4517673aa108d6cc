"""Text filters against golden cases: what the model wrote stands between ├ and ┤ at the cursor, below it what is shown.

A title may begin with the language of its case: `=== [go] …`. `║` is a cursor at which nothing is shown, `…` the end of
a text whose writer was stopped; ␍, ␌ and ␛ stand for the characters they picture. A file's cases are about
the filter that it is named after, and each of them fails without that filter; those of kept.txt are about all of them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lsp_server.context.query import Place, place_at
from lsp_server.postprocess import FILTERS, Filter, Verdict, postprocess, verdict
from seedfill.evaluation.duplicates import repeats_suffix

GOLDEN = Path(__file__).parents[2] / "golden" / "postprocess"
ROOT = Path(__file__).parents[3]
PICTURES = str.maketrans("␍␌␛", "\r\f\x1b")
LANGUAGES = {
    "javascript": r"\b(?:function|let|const)\b",
    "json": r"\A\{",
    "toml": r"\A\[project\]",
    "markdown": r"\A# Title",
    "shellscript": r"; do\n",
    "cobol": r"language cobol",
}
"""How a case's language is told; Python else. The last of them has no grammar."""


class Case(NamedTuple):
    filter: str
    place: Place
    written: str
    shown: str
    is_cut: bool

    def postprocessed(self, filters: tuple[Filter, ...] = FILTERS) -> Verdict:
        return verdict(self.written, self.place, filters, is_cut=self.is_cut)


def marked(block: str) -> tuple[str, int, str]:
    """Text without its insertion, where the insertion stands, and the insertion."""
    found = re.fullmatch(r"(.*)(?:├(.*)┤|║)(.*)\n", block, re.DOTALL)
    assert found, "a case has one insertion or one cursor"
    before, written, after = found.groups("")
    return before + after, len(before), written


def cases(*names: str) -> list[object]:
    return [
        pytest.param(parsed(name, body, language), id=f"{name}: {language} {title}")
        for name in names
        for language, title, body in re.findall(
            r"^=== (?:\[(\w+)\] )?(.*)\n((?:(?!===).*\n)*)", (GOLDEN / f"{name}.txt").read_text(encoding="utf-8"), re.M
        )
    ]


def parsed(name: str, body: str, language: str = "") -> Case:
    given, _, wanted = body.translate(PICTURES).partition("\n---\n")
    text, offset, written = marked(given.rstrip("\n") + "\n")
    is_cut, written = written.endswith("…"), written.removesuffix("…")
    shown = written
    if wanted:
        *same, shown = marked(wanted)
        assert same == [text, offset], "a case changes nothing but the insertion"
    language = language or next((name for name, sign in LANGUAGES.items() if re.search(sign, given)), "python")
    return Case(name, place_at(text, offset, language), written, shown, is_cut)


BY_FILTER = cases(*(one.name for one in FILTERS))


@pytest.mark.parametrize("case", BY_FILTER)
def test_a_filter_changes_what_it_is_for(case: Case) -> None:
    assert case.shown != case.written
    assert case.postprocessed().shown == case.shown


@pytest.mark.parametrize("case", BY_FILTER)
def test_a_case_fails_without_its_filter(case: Case) -> None:
    others = tuple(one for one in FILTERS if one.name != case.filter)
    assert len(others) < len(FILTERS)
    assert case.postprocessed(others).shown != case.shown


@pytest.mark.parametrize("case", cases("kept"))
def test_what_is_right_is_kept(case: Case) -> None:
    assert case.postprocessed().steps == ()


def test_there_are_cases_for_every_filter() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == {one.name for one in FILTERS} | {"kept"}
    assert min(len(cases(one.name)) for one in FILTERS) >= 6
    assert len(BY_FILTER) >= 80


def test_a_verdict_tells_what_each_filter_did() -> None:
    found = verdict("x)\n  ", place_at("f()", 2, "python"))
    assert found.shown == "x"
    assert [(step.filter, step.before, step.after) for step in found.steps] == [
        ("one_line", "x)\n  ", "x)"),
        ("no_overlap", "x)", "x"),
    ]
    assert found.reason == ""


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "The model wrote nothing."),
        ("x = 1", "Nothing is left of it: it repeated the lines below (no_lines_below)."),
        ("x x", "Nothing is left of it: the code would not have parsed (no_worse_parse)."),
    ],
)
def test_a_verdict_tells_why_nothing_is_shown(written: str, reason: str) -> None:
    found: Verdict = verdict(written, place_at("\nx = 1\n", 0, "python"))
    assert (found.shown, found.reason) == ("", reason)
    assert not found.steps or found.steps[-1].after is None


def deletions() -> list[tuple[str, int, int]]:
    """(text, first, last character) of ends of lines in this repository's own code, a fixed choice."""
    found = []
    for path in sorted((ROOT / "lsp_server").glob("*/*.py")):
        text = path.read_text(encoding="utf-8")
        lines = [line for line in re.finditer(r"^( +)(\w[^\n]*[^\W]\)?)$", text, re.M)]
        found += [(text, line.start(2) + 5 * (n % 3), line.end()) for n, line in enumerate(lines[::4])]
    return [(text, start, end) for text, start, end in found if end - start > 3]


def test_what_people_wrote_is_kept() -> None:
    """The filters take away next to nothing of the code that really stood at a cursor."""
    chosen = deletions()
    kept = [
        postprocess(text[start:end], place_at(text[:start] + text[end:], start, "python")) == text[start:end]
        for text, start, end in chosen
    ]
    assert len(kept) > 60
    assert sum(kept) / len(kept) >= 0.98


PIECES = ["x", "foo", "(", ")", "[", "]", ":", " ", "\n", "\n    ", '"', "y = ", "f(x)", "return foo", ", "]
CODE = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@settings(max_examples=300)
@example("foofoofoo", "", "foo", "python")
@example("foo" * 2000, "", "foo", "python")
@given(CODE, CODE, CODE, st.sampled_from(["python", "cobol"]))
def test_what_follows_the_cursor_is_never_shown_twice(written: str, before: str, after: str, language: str) -> None:
    shown = postprocess(written, place_at(before + after, len(before), language))
    assert not shown or not repeats_suffix(shown, before, after)


ANYTHING = st.text("abrR@()[]{}:#\"'`$/*-=<>%;\\\n \r\t\0\ud800😀é")
SPOKEN = ["python", "javascript", "typescript", "c", "shellscript", "json", "toml", "markdown", "cobol"]
BY_TABLE = ["go", "rust", "cpp", "csharp", "lua", "sql", "php", "haskell", "clojure", "yaml", "powershell", "html"]


@settings(max_examples=300)
@given(ANYTHING, ANYTHING, st.integers(0, 20), st.sampled_from([*SPOKEN, *BY_TABLE]))
def test_filters_invent_nothing_but_indentation(written: str, text: str, offset: int, language: str) -> None:
    shown = postprocess(written, place_at(text, min(offset, len(text)), language))
    assert "".join(shown.split()) in "".join(written.split())
    assert shown == shown.rstrip() or shown.strip()
