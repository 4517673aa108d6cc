"""Holes: where they are, that they are filled together, and that what does not fit leaves them as they were."""

from __future__ import annotations

from typing import Any

import pytest

from lsp_server.edits.holes import MAX_HOLES, fill, find_holes
from lsp_server.edits.selection import applied
from sampler.protocol.messages import Candidate, InfillRequest, InfillResult
from sampler.text.hole_groups import GROUP_HOLES
from sampler.text.rewriting import Refusal
from tests.support.lsp_editor import editing_client

REQUEST = InfillRequest(document="d", pieces=("", ""), language="python")


class Numbered:
    """Fills hole after hole with the texts given."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.requests = [*texts], list[InfillRequest]()

    async def __call__(self, request: InfillRequest) -> InfillResult:
        self.requests.append(request)
        n = len(request.pieces) - 1
        fills, self.texts = tuple(self.texts[:n]), self.texts[n:]
        best = Candidate(fills=fills, tokens=1, forwards=1, confidence=0.5, finish="end")
        return InfillResult(
            candidates=(best,), model="m", device="cpu", ms=1, load_ms=0, tokens_computed=1, cache_miss="cold"
        )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = ▢ + ▢\n", ["▢", "▢"]),
        ("def f():\n    pass\n", ["pass"]),
        ("def f():\n    ...\n", ["..."]),
        ("def f():\n    # TODO: sum it\n    pass\n", ["pass"]),
        ("def f():\n    pass  # TODO: sum it\n", ["pass  # TODO: sum it"]),
        ("def f():\r\n    raise NotImplementedError('later')\r\n", ["raise NotImplementedError('later')"]),
        ("x[...] = 1\npasser = 'pass'\nif a:\n    b()\n    pass\n", []),
        ("é = '😀'\nclass A:\n    pass\n", ["pass"]),
        ('def f():\n    """Sum."""\n    pass\n\n\nx = 1\n', ["pass"]),
        ('def f():\r\n    """Sum."""\r\n    ...\r\n', ["..."]),
        ("def f(): ...\n", ["..."]),
        ('def f():\n    x = "a"\n    pass\n', []),
        ('def f():\n    """Sum."""\n    g()\n    pass\n', []),
        ('x = """\n    pass  # TODO: it\n"""\n', []),
        ("x = 1  # y\ndef f():\n    'Sum.'\n    pass\n", ["pass"]),
        ("try:\n    f()\nexcept E:\n    pass\n", []),
        ("try:\n    f()\nexcept E:\n    # TODO: tell\n    pass\n", ["pass"]),
        ("class E(Exception):\n    pass\n", []),
        ('class E(Exception):\n    """Ill."""\n\n    def f(self):\n        pass\n', ["pass"]),
        ("class P(Protocol):\n    def f(self): ...\n\n    def g(self):\n        ...\n", []),
        ("@overload\ndef f(a: int) -> int: ...\n", []),
        (
            "class A:\n    @abc.abstractmethod\n    def f(self):\n        ...\n\n    def g(self):\n        ...\n",
            ["..."],
        ),
    ],
)
def test_what_a_hole_is(text: str, found: list[str]) -> None:
    assert [text[a:b] for a, b in find_holes(text, "python", 0, len(text))] == found


def test_holes_outside_the_range_are_left() -> None:
    text = "def f():\n    pass\ndef g():\n    pass\n"
    assert find_holes(text, "python", 0, 20) == [(13, 17)]


def test_holes_of_a_long_document_are_found_where_they_are_looked_for() -> None:
    text = "".join(f"def f{n}():\n    pass\n\n\n" for n in range(12_000))
    start = text.index("pass", len(text) // 2)
    assert find_holes(text, "python", start, start + 4) == [(start, start + 4)]


async def test_all_holes_go_into_one_group() -> None:
    text = "def f(a):\r\n    pass\r\n\r\nx = ▢\r\n"
    sampler = Numbered("return a + 1", "f(2)")
    changes = await fill(sampler, text, find_holes(text, "python", 0, len(text)), REQUEST)
    assert applied(text, changes) == "def f(a):\r\n    return a + 1\r\n\r\nx = f(2)\r\n"
    assert [request.pieces for request in sampler.requests] == [("def f(a):\n    ", "\n\nx = ", "\n")]


async def test_a_later_group_sees_what_the_earlier_became() -> None:
    text = "".join(f"x{i} = ▢\n" for i in range(GROUP_HOLES + 1))
    sampler = Numbered(*map(str, range(GROUP_HOLES + 1)))
    changes = await fill(sampler, text, find_holes(text, "python", 0, len(text)), REQUEST)
    assert applied(text, changes) == "".join(f"x{i} = {i}\n" for i in range(GROUP_HOLES + 1))
    assert sampler.requests[1].pieces[0].endswith(f"x{GROUP_HOLES - 1} = {GROUP_HOLES - 1}\nx{GROUP_HOLES} = ")


async def test_a_hole_that_nothing_fits_stays() -> None:
    text = "def f():\n    pass\nx = ▢\n"
    changes = await fill(Numbered("", "1"), text, find_holes(text, "python", 0, len(text)), REQUEST)
    assert applied(text, changes) == "def f():\n    pass\nx = 1\n"


async def test_a_fill_that_does_not_fit_is_tried_once_more_alone() -> None:
    text = "def f(a):\n    pass\nx = ▢\n"
    sampler = Numbered("return (a", "1", "return (a", "return (a)")
    changes = await fill(sampler, text, find_holes(text, "python", 0, len(text)), REQUEST)
    assert applied(text, changes) == "def f(a):\n    return (a)\nx = 1\n"
    assert [request.pieces for request in sampler.requests[1:]] == [("def f(a):\n    ", "\nx = 1\n")] * 2
    assert [request.n_candidates for request in sampler.requests] == [1, 1, 3]


@pytest.mark.parametrize(("spans", "sentence"), [([], "no hole"), ([(0, 0)] * (MAX_HOLES + 1), "select fewer")])
async def test_too_few_and_too_many_are_refused(spans: list[tuple[int, int]], sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        await fill(Numbered(), "", spans, REQUEST)


@pytest.mark.asyncio
async def test_the_editor_fills_holes_in_one_step() -> None:
    text = "def f(a):\n    ...\n\n\nx = ▢\n"
    filled = "def f(a):\n    return a\n\n\nx = f(1)\n"
    async with editing_client() as editor:
        editor.script.rules({"spans": ["return a", "f(1)"]})
        buffer = editor.open(text)
        (action,) = await buffer.actions(buffer.range(0, len(text)))
        assert action["title"] == "Fill the 2 holes"
        resolved: Any = await editor.client.request("codeAction/resolve", action)
        editor.make(resolved["edit"])
        assert (buffer.text, buffer.undo) == (filled, [text])
        assert (await buffer.run("seedfill.fillHoles"))["applied"] is False
        await editor.told("no hole")
        again = editor.open(text)
        assert await again.run("seedfill.fillHoles") == {"applied": True}
        assert (again.text, again.undo) == (filled, [text])
        assert await again.actions(again.range(0, 3)) == []
