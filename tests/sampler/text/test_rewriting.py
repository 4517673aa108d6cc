"""What of a model's answer may replace the old code: never what leaves a file wrong that was right."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sampler.protocol.messages import Candidate, InfillRequest, InfillResult
from sampler.text.rewriting import Fruitless, compile_errors, edit_request, rewrite

BODY = "    print(x)"

WRONG = [
    # language, before, selection, after, what the model wrote
    ("python", "", f"x = 0\nif x != None:\n{BODY}", "", "x = 0\nif x != None:"),
    ("python", "", f"x = 0\nif x != None:\n{BODY}", "\n", "x = 0\nif x != None:"),
    ("python", "x = 0\n", f"if x != None:\n{BODY}", "\ny = 1\n", "if x != None:\n"),
    ("python", "x = 0\nif x:\n", BODY, "\n", ""),
    ("python", "x = 0\nif x:\n", BODY, "\n", "    # print(x)"),
    *(
        ("python", "", f"{head}\n{BODY}", tail, head)
        for tail in ("", "\n", "\ny = 1\n")
        for head in (
            "def f(x):",
            "async def f(x):",
            "class A:",
            "for x in y:",
            "while x:",
            "with x:",
            "if x:\n    y\nelse:",
            "if x:\n    y\nelif z:",
            "try:\n    y()\nexcept E:",
            "try:\n    y()\nfinally:",
            "match x:\n  case 1:",
        )
    ),
    ("python", "def f(x):\n", "    return x", "\n", "return x"),
    ("python", "for x in y:\n", "    if x:\n        continue", "\n", "    pass\ncontinue"),
    ("python", "", "x = 1\ny = 2", "\n", "x = 1\n  y = 2"),
    ("python", "", "if x:\n        y = 1\n        z = 1", "", "if x:\n        y = 1\n    z = 1"),
    ("python", "", "x = 'abc'", "", "x = 'abc"),
    ("python", "", "x = (1, 2)", "", "x = (1, 2"),
    ("python", "", "x = {**y}", "", "x = {*y, **y}"),
    ("python", "", "f(x=1)", "", "f(x=1, x=2)"),
    ("python", "", "x = 1", "", "1 = x"),
    ("javascript", "function f() {\n", "  return 1;\n}", "\n", "  return 1;"),
    ("javascript", "", "if (x) {\n  f();\n}", "", "if (x)"),
    ("rust", "fn f() -> i32 {\n", "    1\n}", "\n", "    1"),
    ("go", "package a\nfunc f() {\n", "\tg()\n}", "\n", "\tg("),
    ("c", "int f(void) {\n", "  return 1;\n}", "\n", "  return 1"),
    ("java", "class A {\n", "  int f() { return 1; }\n}", "\n", "  int f() { return 1; }"),
    ("json", "", '{"a": [1, 2]}', "", '{"a": [1, 2}'),
]

RIGHT = [
    ("python", "", f"x = 0\nif x != None:\n{BODY}", "", f"x = 0\nif x is not None:\n{BODY}"),
    ("python", "x = 0\nif x:\n", BODY, "\n", "    pass"),
    ("python", "if x:\n", "    y = 1\n    z = 2", "\n", "    y = 1"),
    ("python", "def f(:\n    pass\n", "x = 1", "\n", "x = 2"),
    ("python", "print 1\n", "x = 1", "\n", "x = 2"),
    ("python", "await f()\n", "x = 1", "\n", "x = 2"),
    ("python", "def f():\n", "", "", "    return 1"),
    ("text", "(", "a", "", "(b"),
]


def answered(language: str, before: str, selection: str, after: str, answer: str) -> str:
    async def infill(request: InfillRequest) -> InfillResult:
        candidate = Candidate(fills=(answer,), tokens=1, forwards=1, confidence=1.0, finish="end", ends=())
        facts: dict[str, Any] = {"load_ms": 0.0, "tokens_computed": 0, "cache_miss": "first"}
        return InfillResult(candidates=(candidate,), model="m", device="cpu", ms=1.0, **facts)

    request = edit_request(before, selection, after, "simplify", document="d", language=language)
    return asyncio.run(rewrite(infill, request, around=(before, after))).text


@pytest.mark.parametrize(("language", "before", "selection", "after", "answer"), WRONG)
def test_what_would_leave_a_right_file_wrong_is_refused(
    language: str, before: str, selection: str, after: str, answer: str
) -> None:
    with pytest.raises(Fruitless, match="does not parse"):
        answered(language, before, selection, after, answer)


@pytest.mark.parametrize(("language", "before", "selection", "after", "answer"), RIGHT)
def test_what_leaves_no_more_wrong_than_was_is_taken(
    language: str, before: str, selection: str, after: str, answer: str
) -> None:
    assert answered(language, before, selection, after, answer) == answer


@pytest.mark.parametrize("text", ["x = 1\0", "(" * 400, "x = '\\d'", "-" * 100_000 + "1", "\ud800", ""])
def test_compiling_for_its_errors_raises_and_warns_of_nothing(text: str) -> None:
    assert len(compile_errors(text)) <= 1
