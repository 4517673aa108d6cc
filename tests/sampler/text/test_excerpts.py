"""Of a file that was cut by size, what reads as a whole is taken; what is wrong around the cursor stays in sight."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampler.text import syntax as syntax_module
from sampler.text.excerpts import ends, starts
from sampler.text.syntax import syntax_at
from sampler.text.syntax_errors import SyntaxErrors, excerpt_at
from sampler.text.windows import prefix_window, suffix_window

SOURCES = sorted(Path(syntax_module.__file__).parents[1].glob("*/*.py"))
SOUND = "def f(x):\n    return x\n\n\n" * 60
"""As long as what is cut by size."""
HEAD_CUT = {
    "a docstring": 'arguments are texts.\n    """\n\n\n' + SOUND,
    "a call": "    second,\n    third,\n)\n\n\n" + SOUND,
    "a method": "            return 1\n        return 2\n\n    def g(self):\n" + "        y = 1\n" * 100,
}
TAIL_CUT = {
    "a docstring": SOUND + '\n\ndef g():\n    """What is said goes on and\n',
    "a call": SOUND + "\n\ny = compute(\n    first,\n    second,\n",
    "a head": SOUND + "\n\nclass B:\n    def f(self):\n        return 1\n\n    def g(\n",
}


@pytest.mark.parametrize("name", HEAD_CUT)
def test_a_file_that_was_cut_before_the_cursor(name: str) -> None:
    before = HEAD_CUT[name]
    indent = "        " if name == "a method" else ""
    found = SyntaxErrors(excerpt_at(before, "\n", "python"))
    assert found.left_by("") == 0
    assert found.is_whole(f"{indent}x = 1") and not found.is_whole(f"{indent}x = (1")


@pytest.mark.parametrize("name", TAIL_CUT)
def test_a_file_that_was_cut_behind_the_cursor(name: str) -> None:
    found = SyntaxErrors(excerpt_at("x = 1\n", "\n" + TAIL_CUT[name], "python"))
    assert found.left_by("") == 0
    assert found.is_whole("y = 2") and not found.is_whole("y = (2")


@pytest.mark.parametrize("language", ["python", "javascript", "plaintext"])
@pytest.mark.parametrize("text", ["", "\n", "x", "  x\n", "漢 = '🙂'\n    y\n", '"""', 'x = """\n', "`a\nb`\n c\n"])
def test_edges_lie_inside_the_text(text: str, language: str) -> None:
    assert starts(text, language)[0] == 0
    assert ends(text, language)[0] == len(text)
    assert all(0 <= at <= len(text) for at in (*starts(text, language), *ends(text, language)))


@pytest.mark.parametrize(
    ("before", "text", "is_whole"),
    [
        (SOUND + "foo(\n    a,\n", "    b,\n)\n", True),
        ("foo(\n    a,\n", "    b,\n)\n", True),
        (SOUND + "x = [\n    1,\n    ", "2,\n]\n", True),
        ('def f(x):\n    """Return the sum\n\n    ', 'of x.\n    """\n    return x\n', True),
    ],
)
def test_what_a_person_has_opened_is_still_to_close(before: str, text: str, is_whole: bool) -> None:
    assert SyntaxErrors(excerpt_at(before, "", "python")).is_whole(text) == is_whole


def test_the_first_line_behind_the_cursor_stays() -> None:
    behind = "\n        return 1\n\n\n" + SOUND
    found = SyntaxErrors(excerpt_at(SOUND + "def g():\n    y()\n    ", behind, "python"))
    assert found.is_whole("if x:") and not found.is_whole("x = 1")


def test_a_file_that_reads_as_it_is_stays_whole() -> None:
    text = Path(syntax_module.__file__).read_text()[:3000].rpartition("\n\n\n")[0]
    before, after = text[:1000], text[1000:]
    found, whole = excerpt_at(before, after, "python"), syntax_at(before, after, "python")
    assert found and whole and found.source == whole.source


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_lines_of_sound_code_are_whole_where_they_stand(path: Path) -> None:
    text = path.read_text()
    lines = text.splitlines(keepends=True)
    places = [(sum(map(len, lines[:n])), lines[n]) for n in range(0, len(lines), 7)]
    statements = [(at, line) for at, line in places if line.strip().endswith((")", "]", '"')) and '"""' not in line]
    outcomes = []
    for at, line in statements:
        found = excerpt_at(prefix_window(text[:at]), suffix_window(text[at + len(line) :]), "python")
        outcomes.append(SyntaxErrors(found).is_whole(line))
    assert outcomes.count(False) <= max(1, len(outcomes) // 10)
