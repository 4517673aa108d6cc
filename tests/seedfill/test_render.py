"""What a person sees of a fill."""

from __future__ import annotations

import pytest

from seedfill.render import FILL_STYLE, numbered_lines, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("\x1b[31mred", "␛[31mred"),
        ("bell\x07 null\x00 del\x7f", "bell␇ null␀ del␡"),
        ("c1 \x9b2J", "c1 \ufffd2J"),
        ("lone \ud800", "lone \ufffd"),
        ("emoji 🙂", "emoji 🙂"),
    ],
)
def test_visible_disarms_control_characters(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_lines_around_the_fill_are_numbered_and_marked() -> None:
    before = "".join(f"line {i}\n" for i in range(1, 20))
    shown = numbered_lines([(before + "x = ", False), ("1\n    y", True), (" = 2\nend\n", False)], context=2)
    assert shown.plain.split("\n") == [
        "18   line 18",
        "19   line 19",
        "20 + x = 1",
        "21 +     y = 2",
        "22   end",
        "23",
    ]
    filled = [shown.plain[span.start : span.end] for span in shown.spans if span.style == FILL_STYLE]
    assert filled == ["1", "    y"]
