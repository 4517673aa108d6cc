"""Repairs: which lines are wrong, what may take their place, and what the model doubts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from lsp_server.edits.repairs import DOUBT_CHARACTERS, doubts, first_error_lines, repair
from lsp_server.edits.selection import applied, select
from sampler.protocol.messages import Finish, InfillRequest, InfillResult
from sampler.text.rewriting import Refusal
from tests.lsp_server.edits.test_selection import answered
from tests.support.lsp_editor import editing_client

OPTIONS = {"document": "d", "language": "python"}


class Answers:
    def __init__(self, *texts: str, finish: Finish = "end") -> None:
        whole = answered("")
        best = replace(whole.candidates[0], finish=finish)
        self.result = replace(whole, candidates=tuple(replace(best, fills=(text,)) for text in texts))
        self.requests: list[InfillRequest] = []

    async def __call__(self, request: InfillRequest) -> InfillResult:
        self.requests.append(request)
        return self.result


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("x = 1\n", None),
        ("x = 1\ny = (2 +* 3)\nz = 3\n", "y = (2 +* 3)"),
        ("é = '😀'\nx = )\n", "x = )"),
    ],
)
def test_error_lines(text: str, lines: str | None) -> None:
    found = first_error_lines(text, "python")
    assert (found and text[slice(*found)]) == lines
    assert first_error_lines(text, "no language") is None


async def test_a_repair_writes_the_lines_anew_and_takes_what_parses() -> None:
    text = "a = 1\r\nx = (a +* 2)\r\nprint(x)\r\n"
    model = Answers("x = (a +* 2)", "x = ((a + 2)", "x = (a + 2)", "x = a")
    changes = await repair(model, select(text, 9, 10), "invalid syntax", **OPTIONS)
    assert applied(text, changes) == "a = 1\r\nx = (a + 2)\r\nprint(x)\r\n"
    (request,) = model.requests
    assert request.edit and (request.edit.selection, request.edit.start, request.edit.locks) == (
        "x = (a +* 2)",
        "masks",
        (),
    )
    assert (request.instruction, request.n_candidates) == ("fix the code: invalid syntax", 3)


@pytest.mark.parametrize("model", [Answers("x = 1"), Answers("x = ("), Answers("x = 2", finish="length")])
async def test_what_repairs_nothing_is_refused(model: Answers) -> None:
    with pytest.raises(Refusal, match="no repair"):
        await repair(model, select("x = 1\n", 0, 5), "", **OPTIONS)


async def test_doubts_are_the_differences() -> None:
    text = "a = 1\nb = 2\n"
    model = Answers("a = 1\nb = 3")
    assert await doubts(model, text, 0, len(text), **OPTIONS) == [(10, 11, "3")]
    assert model.requests[0].edit and model.requests[0].edit.threshold == 0.9


async def test_a_long_file_is_read_for_doubts_piece_by_piece() -> None:
    text = "".join(f"x{i} = {i}\n" for i in range(400))

    class Copies(Answers):
        async def __call__(self, request: InfillRequest) -> InfillResult:
            assert request.edit
            self.requests.append(request)
            return answered(request.edit.selection.replace("x399 = 399", "x399 = 0"))

    model = Copies()
    (doubt,) = await doubts(model, text, 0, len(text), **OPTIONS)
    assert text[doubt.start : doubt.end] == "399" and doubt.text == "0"
    selections = [request.edit.selection for request in model.requests if request.edit]
    assert "\n".join(selections) == text.rstrip() and max(map(len, selections)) <= DOUBT_CHARACTERS


@pytest.mark.asyncio
async def test_quick_fixes_from_end_to_end() -> None:
    text = "a = 1\nx = (a +* 2)\nprint(y)\n"
    async with editing_client() as editor:
        buffer = editor.open(text)
        (action,) = await buffer.actions(buffer.range_of("x ="))
        assert (action["title"], action["kind"]) == ("Repair what does not parse", "quickfix")
        complaint = {"range": buffer.range_of("y"), "message": "undefined name 'y'", "source": "other"}
        (fix,) = await buffer.actions(complaint["range"], diagnostics=[complaint])
        assert fix["title"] == "Repair: undefined name 'y'" and fix["diagnostics"][0]["message"] == complaint["message"]

        editor.script.rules({"before": "a = 1\n", "fills": ["x = (a + 2)"]}, {"fills": ["print(x)"]})
        assert await buffer.run("seedfill.repair") == {"applied": True}
        fixed: Any = await editor.client.request("codeAction/resolve", (await _fix(buffer, "y", complaint)))
        editor.make(fixed["edit"])
        assert buffer.text == "a = 1\nx = (a + 2)\nprint(x)\n"
        assert "parses" in (await buffer.run("seedfill.repair"))["reason"]

        editor.script.rules({"fills": ["a = 1\nx = (a + 2)\nprint(a)"]})
        assert await buffer.run("seedfill.markDoubts") == 1
        published = await editor.client.notification("textDocument/publishDiagnostics")
        (hint,) = published["diagnostics"]
        assert (hint["severity"], hint["source"], hint["message"]) == (4, "seedfill", "The model would write a here.")
        (take,) = await buffer.actions(hint["range"], diagnostics=[hint], only=["quickfix"])
        editor.make((await editor.client.request("codeAction/resolve", take))["edit"])
        assert buffer.text == "a = 1\nx = (a + 2)\nprint(a)\n"
        stale = asyncio.create_task(buffer.run("seedfill.replaceDoubt", hint["range"], "x", "a"))
        assert (await stale)["applied"] is False
        editor.client.notify("textDocument/didClose", {"textDocument": {"uri": buffer.uri}})
        await editor.client.notification("textDocument/publishDiagnostics", lambda params: params["diagnostics"] == [])


async def _fix(buffer: Any, part: str, complaint: dict[str, Any]) -> dict[str, Any]:
    moved = {**complaint, "range": buffer.range_of("y")}
    (action,) = await buffer.actions(moved["range"], diagnostics=[moved])
    return dict(action)
