"""From a document and a cursor to a request."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from lsp_server.context.context import infill_request
from lsp_server.context.query import place_at
from lsp_server.workspace.documents import Snapshot
from lsp_server.workspace.folders import path_in_workspace
from lsp_server.workspace.settings import settings_from
from sampler.protocol.messages import InfillRequest, Snippet
from tests.lsp_server.features.test_inline_completion import editing


def request_at(marked: str, options: object = None) -> InfillRequest:
    before, _, after = marked.partition("║")
    snapshot = Snapshot(uri="file:///w/a.py", language="python", version=1, text=before + after)
    place = place_at(snapshot.text, len(before), snapshot.language)
    return infill_request(snapshot, place, settings_from(options)[0], client="me", path="a.py")


def test_a_request_carries_what_stands_around_the_cursor() -> None:
    request = request_at("a = 1\nb = ║\nc = 3\n", {"completion": {"maxTokens": 9, "deadlineMs": 0}})
    assert request.pieces == ("a = 1\nb = ", "\nc = 3\n")
    assert (request.document, request.language, request.path) == ("me file:///w/a.py", "python", "a.py")
    assert (request.max_tokens, request.deadline_ms, request.one_line) == (9, None, True)


@pytest.mark.parametrize(
    ("marked", "one_line"),
    [
        ("f(║)", True),  # text after the cursor
        ("f(║  \nx", False),
        ("║", False),
        ("║\n)", False),
        ("a = ║\r\nb", True),  # an unfinished statement
        ("def f(a):║", False),
        ("f(a,║", False),
        ("x = {║", False),
        ("# a║", True),
        ("x = 'a║", True),
        ('def f():\n    """a║\n    """', False),
        ('def f():\n    """\n    ║\n    """', False),
    ],
)
def test_syntax_decides_between_one_line_and_several(marked: str, one_line: bool) -> None:
    assert request_at(marked).one_line is one_line


def test_a_statement_takes_the_lines_it_needs_when_asked_by_hand() -> None:
    snapshot = Snapshot(uri="file:///w/a.py", language="python", version=1, text="x = ")
    for marked, one_line in (("x = ║", False), ("f(║)", True), ("# ║", True)):
        before, _, after = marked.partition("║")
        place = place_at(before + after, len(before), "python")
        request = infill_request(snapshot, place, settings_from()[0], client="me", path="a.py", by_hand=True)
        assert request.one_line is one_line


def test_the_model_sees_unix_lines() -> None:
    assert request_at("a\r\nb║\r\nc\r\n").pieces == ("a\nb", "\nc\n")


def test_a_lone_surrogate_becomes_a_character_that_can_be_sent() -> None:
    pieces = request_at("a\ud83d😀║\ude00b").pieces
    assert pieces[0].encode() and pieces[1].encode()
    assert "😀" in pieces[0]


def test_a_typed_character_changes_only_the_end_of_what_is_seen() -> None:
    body = "".join(f"value_{n} = {n}\n" for n in range(1000))
    first, second = request_at(body + "x║\n"), request_at(body + "xy║\n")
    assert second.pieces[0] == first.pieces[0] + "y"
    assert second.pieces[1] == first.pieces[1]


@pytest.mark.parametrize(
    ("path", "folders", "expected"),
    [
        ("/w/pkg/a.py", ["/w"], "pkg/a.py"),
        ("/w/pkg/a.py", ["/w", "/w/pkg"], "a.py"),
        ("/elsewhere/a.py", ["/w"], "a.py"),
        ("untitled:Untitled-1", [], "untitled:Untitled-1"),
    ],
)
def test_a_path_is_told_from_its_workspace_folder(path: str, folders: list[str], expected: str) -> None:
    assert path_in_workspace(PurePosixPath(path), map(PurePosixPath, folders)) == expected


def test_snippets_take_their_room_from_the_prefix() -> None:
    text = "".join(f"value_{n} = {n}\n" for n in range(1000))
    snapshot = Snapshot(uri="file:///w/a.py", language="python", version=1, text=text)
    place, shown = place_at(text, len(text)), (Snippet(path="b.py", text="x" * 300),) * 4
    requests = [
        infill_request(snapshot, place, settings_from()[0], client="me", path="a.py", snippets=snippets)
        for snippets in ((), shown)
    ]
    assert requests[1].snippets == shown
    assert len(requests[0].pieces[0]) - len(requests[1].pieces[0]) > 600
    assert requests[1].pieces[0].endswith("value_999 = 999\n")


async def test_the_completion_list_writes_the_line_ends_of_the_file() -> None:
    options = {"completion": {"fallback": True, "debounceMs": 0, "speculative": False}}
    async with editing(options=options) as editor:
        editor.script.rules({"before": "def f():", "fills": ["\n    return 1"]})
        buffer = editor.open("x = 1\r\ndef f():║\r\n")
        params = {key: value for key, value in buffer.here().items() if key != "context"}
        (item,) = (await editor.client.request("textDocument/completion", params))["items"]
        assert item["textEdit"]["newText"] == "\r\n    return 1"
