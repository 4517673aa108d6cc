"""What counts as done, where a file has no tests: what was asked for is there, and nothing else has changed."""

from __future__ import annotations

import pytest

from seedfill.evaluation.edit_checks import accepts

PLAIN = "import logging\nlog = logging.getLogger()\n\n\ndef f(a, b=1):\n    return a\n"
HINTED = PLAIN.replace("f(a, b=1)", "f(a: int, b: int = 1) -> int")
DOCUMENTED = PLAIN.replace("    return", '    """Return a."""\n    return')
TRIED = PLAIN.replace("    return a", "    try:\n        return a\n    except ValueError:\n        return None")
LOGGED = PLAIN.replace("    return", '    log.info("a")\n    return')


@pytest.mark.parametrize(
    ("kind", "gold", "answer", "is_right"),
    [
        ("rename", "b = 1\n", "b  =  1  # taste\n", True),
        ("rename", "b = 1\n", "b = 2\n", False),
        ("rename", "b = 1\n", "b = (\n", False),
        ("rename", "b = 1  # one\n", "b = 1\n", False),
        ("rename", "b = 1  # two\n", "b = 1\n", True),
        ("not known", "b = 1  # one\n", "b = (1)# one\n", True),
        ("type_hints", HINTED, HINTED, True),
        ("type_hints", HINTED, HINTED.replace("b: int", "b: float | None"), True),
        ("type_hints", HINTED, HINTED.replace("a: int", "a: 'str'"), True),
        ("type_hints", HINTED, HINTED.replace("a: int", "a: nonsense"), False),
        ("type_hints", HINTED, HINTED.replace("a: int", "a: b"), False),
        ("type_hints", HINTED, HINTED.replace(" -> int", ""), False),
        ("type_hints", HINTED, HINTED.replace("return a", "return b"), False),
        ("type_hints", HINTED, PLAIN, False),
        ("docstring", DOCUMENTED, DOCUMENTED.replace("Return a.", "Other words."), True),
        ("docstring", DOCUMENTED, DOCUMENTED.replace("Return a.", " "), False),
        ("docstring", DOCUMENTED, DOCUMENTED.replace("return a", "return b"), False),
        ("docstring", DOCUMENTED, PLAIN, False),
        ("error_handling", TRIED, TRIED.replace("ValueError", "Exception"), True),
        ("error_handling", TRIED, TRIED.replace("        return a\n", "        pass\n"), False),
        ("error_handling", TRIED, PLAIN, False),
        ("logging", LOGGED, LOGGED.replace('info("a")', 'debug("b", a)'), True),
        ("logging", LOGGED, LOGGED.replace("log.info", "print"), False),
        ("logging", LOGGED, PLAIN, False),
    ],
)
def test_an_answer_is_right_when_it_does_what_was_asked_and_no_more(
    kind: str, gold: str, answer: str, is_right: bool
) -> None:
    before = "a = 1  # one\n" if kind in ("rename", "not known") else PLAIN
    assert accepts(kind, before, answer, gold) is is_right
