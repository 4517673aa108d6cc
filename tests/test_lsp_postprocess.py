"""Text filters against golden cases: what the model wrote stands between ├ and ┤ at the cursor, below it what is shown.

`║` is a cursor at which nothing is shown, `␍` a carriage return. A file's cases are about the filter it is
named after.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.context import Place, place_at
from lsp_server.postprocess import FILTERS, postprocess

GOLDEN = Path(__file__).parent / "golden" / "postprocess"


class Case(NamedTuple):
    filter: str
    text: str
    offset: int
    written: str
    shown: str

    @property
    def place(self) -> Place:
        return place_at(self.text, self.offset)


def marked(block: str) -> tuple[str, int, str]:
    """Text without its insertion, where the insertion stands, and the insertion."""
    found = re.fullmatch(r"(.*)(?:├(.*)┤|║)(.*)\n", block, re.DOTALL)
    assert found, "a case has one insertion or one cursor"
    before, written, after = found.groups("")
    return before + after, len(before), written


def cases() -> list[object]:
    return [
        pytest.param(parsed(file.stem, body), id=f"{file.stem}: {name}")
        for file in sorted(GOLDEN.glob("*.txt"))
        for name, body in re.findall(r"^=== (.*)\n((?:(?!===).*\n)*)", file.read_text(encoding="utf-8"), re.M)
    ]


def parsed(name: str, body: str) -> Case:
    given, _, wanted = body.replace("␍", "\r").partition("---\n")
    text, offset, written = marked(given)
    assert marked(wanted)[:2] == (text, offset), "a case changes nothing but the insertion"
    return Case(name, text, offset, written, marked(wanted)[2])


@pytest.mark.parametrize("case", cases())
def test_golden_case(case: Case) -> None:
    assert postprocess(case.written, case.place) == case.shown


@pytest.mark.parametrize("case", cases())
def test_the_filter_of_a_case_is_what_decides_it(case: Case) -> None:
    others = tuple(one for one in FILTERS if one.__name__ != case.filter)
    assert len(others) == len(FILTERS) - 1
    if case.written != case.shown:
        assert postprocess(case.written, case.place, others) != case.shown


@given(st.text("ab()\"'\n \r\t😀"), st.text("ab()\"'\n \r\t😀"), st.integers(0, 20))
def test_filters_only_ever_shorten(written: str, text: str, offset: int) -> None:
    assert written.startswith(postprocess(written, place_at(text, min(offset, len(text)))))
