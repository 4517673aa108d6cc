"""Next edit: a change by hand is offered where the very same thing still stands, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.edits.next_edits import MAX_PLACES, Pattern, begun, changed, follow_ups, pattern_of
from lsp_server.edits.selection import Replacement, applied
from tests.support.cost import cost
from tests.support.lsp_editor import editing_client

texts = st.text(alphabet="ab \n", max_size=12)


@given(texts, texts)
def test_what_changed_turns_one_text_into_the_other(before: str, after: str) -> None:
    start, end, new_end = changed(before, after)
    assert before[:start] + after[start:new_end] + before[end:] == after
    assert 0 <= start <= min(end, new_end)


def typed(text: str, *changes: tuple[str, str]) -> tuple[Any, str]:
    """The burst after each change of one stretch of the text, the first occurrence."""
    burst = None
    for old, new in changes:
        after = text.replace(old, new, 1)
        burst = burst.follow(text, after) if burst else begun(text, after)
        text = after
    return burst, text


CODE = "def f(total):\n    # total\n    s = 'total'\n    return total + sub.total\n\ntotals = f(total=1)\n"


@pytest.mark.parametrize(
    ("text", "changes", "everywhere"),
    [
        (
            CODE,
            [("f(total)", "f(t)"), ("f(t)", "f(count)")],
            "def f(count):\n    # total\n    s = 'total'\n    return count + sub.total\n\ntotals = f(count=1)\n",
        ),
        (CODE, [("f(total)", "f(total, x)")], None),
        (
            "log(a, b)\nx = 1\n  log(a, b)\nlog(a, c)\n",
            [("log(a, b)", "log(a, b, 1)")],
            "log(a, b, 1)\nx = 1\n  log(a, b, 1)\nlog(a, c)\n",
        ),
        ("x = 1\ny = 2\n", [("x = 1\n", "")], None),
        ("a = a1\n", [("a1", "b1")], None),
    ],
)
def test_what_follows_from_a_change(text: str, changes: list[tuple[str, str]], everywhere: str | None) -> None:
    burst, now = typed(text, *changes)
    pattern = pattern_of(burst, now)
    found = follow_ups(pattern, now, "python") if pattern else ()
    assert (applied(now, sorted(found)) if found else None) == everywhere


LINES = {"python": "ф(total)\n", "javascript": "f(total);\n", "c": "f(total); /* é */ ", "go": "f(total)\n"}


@pytest.mark.parametrize("language", LINES)
def test_of_many_places_the_nearest_are_offered_at_a_cost_that_grows_with_the_text(language: str) -> None:
    text = LINES[language] * 60_000
    at = text.index("total", len(text) // 2)
    pattern = Pattern("total", "count", at, True)
    found = list[Replacement]()
    assert cost(lambda: found.extend(follow_ups(pattern, text, language))) < 20
    assert len(found) == MAX_PLACES
    assert [text[start:end] for start, end, _ in found[:3]] == ["total"] * 3
    assert found[0].start == at
    assert cost(lambda: applied(text, sorted(found))) < 5


def test_a_change_elsewhere_begins_anew() -> None:
    burst, text = typed("aa = 1\nbb = 2\naa = bb\n", ("aa", "xx"), ("bb", "yy"))
    pattern = pattern_of(burst, text)
    assert pattern and (pattern.old, pattern.new) == ("bb", "yy")


@pytest.mark.asyncio
async def test_the_editor_offers_the_next_place_and_all() -> None:
    async with editing_client() as editor:
        buffer = editor.open("total = 1\nprint(total)\nprint(total + 1)\n")
        assert (await buffer.run("seedfill.nextEdit"))["applied"] is False
        await editor.told("No other place")
        for at, letter in enumerate("sum_"):
            buffer.type(at, letter)
        titles = [action["title"] for action in await buffer.actions(buffer.range(0, 0))]
        assert titles == [
            "The same in line 2: total → sum_total",
            "The same at all 2 places: total → sum_total",
        ]
        (first, _) = await buffer.actions(buffer.range(0, 0))
        assert "tags" not in first, "no model is asked"
        editor.make((await editor.client.request("codeAction/resolve", first))["edit"])
        assert buffer.text == "sum_total = 1\nprint(sum_total)\nprint(total + 1)\n"
        assert await buffer.run("seedfill.nextEdit", True) == {"applied": True}
        assert buffer.text == "sum_total = 1\nprint(sum_total)\nprint(sum_total + 1)\n"
        assert editor.asked(buffer) == []
