"""What is counted: shown once, accepted once, kept as far as it still stands in the document."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from lsp_server.completion.feedback import Feedback, Kept
from lsp_server.completion.record import Inference, Outcome, Record
from lsp_server.completion.statistics import MAX_BYTES, NAME, OLDER, Statistics, percentile, summary
from lsp_server.workspace.documents import Change, Document, Position
from sampler.protocol.messages import InfillRequest, InfillResult
from tests.support.hand_clock import HandClock

URI = "file:///a.py"


def shown(number: str, *texts: str, at: int = 0, ms: float = 100.0) -> Record:
    inference = Inference(
        id=number,
        request=InfillRequest(document="", pieces=("", "")),
        result=InfillResult(candidates=(), model="", device="", ms=0, load_ms=0, tokens_computed=0, cache_miss="none"),
        verdicts=(),
        ms={},
    )
    outcome = Outcome(kind="shown", texts=texts, inference=inference, total_ms=ms)
    return Record(uri=URI, language="python", line=1, column=1, invoked=False, offset=at, outcome=outcome)


def document(text: str) -> Document:
    return Document(URI, "python", 1, text, "utf-16")


async def test_from_shown_to_retained(tmp_path: Path) -> None:
    clock = HandClock()
    feedback = Feedback(Statistics(tmp_path), clock)
    feedback.shown(shown("1", "compute(1)", at=4))
    feedback.shown(shown("1", "pute(1)", at=7))  # typed through
    feedback.shown(shown("2", "never", ms=300.0))
    accepted = document("x = compute(1)\r\n")
    feedback.accepted("1@7", 0, {URI: accepted})
    feedback.accepted("1@7", 0, {URI: accepted})  # told twice
    feedback.accepted("1@4", 0, {URI: accepted})  # the same, before it was typed through
    feedback.accepted("9@0", 0, {})  # never shown
    feedback.follow(accepted, Change("# ", Position(0, 0), Position(0, 0)))
    async with asyncio.timeout(10):
        while summary(tmp_path)["retained_rate"] is None:
            await asyncio.sleep(0)
    assert clock.slept == [30.0]
    figures = summary(tmp_path)
    del figures["since"]
    assert figures == {
        "shown": 2,
        "accepted": 1,
        "acceptance_rate": 0.5,
        "accepted_chars": 7,
        "retained": 1,
        "retained_rate": 1.0,
        "retained_chars_rate": 1.0,
        "ms_p50": 200.0,
        "ms_p95": 290.0,
        "languages": {"python": {"shown": 2, "accepted": 1}},
    }


async def test_a_part_and_what_is_left_of_the_answer_are_two_suggestions(tmp_path: Path) -> None:
    feedback = Feedback(Statistics(tmp_path), HandClock())
    feedback.shown(shown("1", "compute("))
    feedback.accepted("1@0", 0, {})
    feedback.shown(shown("1", "first)", at=8))
    feedback.accepted("1@0", 0, {})  # told again, late
    feedback.accepted("1@8", 0, {})
    figures = summary(tmp_path)
    assert (figures["shown"], figures["accepted"], figures["accepted_chars"]) == (2, 2, len("compute(first)"))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("rest", ["", "b\n", "b\r\n", "b\nc\r\nd\n", "b\r\nc\nd\r\n"])
async def test_lines_count_as_accepted_however_the_client_ends_them(tmp_path: Path, rest: str, newline: str) -> None:
    clock = HandClock()
    feedback = Feedback(Statistics(tmp_path), clock)
    feedback.shown(shown("1", "x = 1\ny = 2"))
    feedback.accepted("1@0", 0, {URI: document(f"x = 1{newline}y = 2\n{rest}")})
    async with asyncio.timeout(10):
        while summary(tmp_path)["retained_rate"] is None:
            await asyncio.sleep(0)
    assert summary(tmp_path)["retained_chars_rate"] == 1.0


async def test_a_closed_document_is_not_looked_at(tmp_path: Path) -> None:
    feedback = Feedback(Statistics(tmp_path), HandClock())
    feedback.shown(shown("1", "one"))
    feedback.accepted("1@0", 0, {URI: document("one")})
    feedback.forget(URI)
    for _ in range(10):
        await asyncio.sleep(0)
    assert summary(tmp_path)["retained_rate"] is None


async def test_nothing_holds_code(tmp_path: Path) -> None:
    feedback = Feedback(Statistics(tmp_path), HandClock())
    feedback.shown(shown("1", "secret_name"))
    feedback.accepted("1@0", 0, {URI: document("secret_name")})
    written = (tmp_path / NAME).read_text()
    assert "secret" not in written
    assert "a.py" not in written
    feedback.close()


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ([(0, 0, 5)], 10),  # before it
        ([(20, 25, 0)], 10),  # after it
        ([(12, 12, 3)], 10),  # within it, nothing gone
        ([(12, 15, 0)], 7),
        ([(5, 12, 2)], 8),  # over its start
        ([(18, 30, 0)], 8),  # over its end
        ([(0, 40, 0)], 0),
        ([(0, 5, 0), (5, 10, 0)], 5),
    ],
)
def test_what_is_left_of_a_text(changes: list[tuple[int, int, int]], kept: int) -> None:
    text = Kept(text="0123456789", start=10, end=20, kept=10)
    for start, end, n_new in changes:
        text.follow(start, end, n_new)
    assert text.kept == kept


def test_a_text_is_found_again_in_a_document_that_is_replaced() -> None:
    text = Kept(text="one", start=10, end=13, kept=3)
    text.find_again("a one")
    assert (text.start, text.end, text.kept) == (2, 5, 3)
    text.find_again("two")
    assert text.kept == 0


def test_nothing_on_file_is_nothing_measured(tmp_path: Path) -> None:
    figures = summary(tmp_path / "none")
    assert (figures["shown"], figures["accepted"]) == (0, 0)
    assert figures["acceptance_rate"] is figures["ms_p50"] is figures["since"] is None


def test_damaged_lines_are_left_out(tmp_path: Path) -> None:
    good = {"event": "shown", "time": 1.0, "language": "python", "ms": 5.0, "chars": 1}
    lines = [json.dumps(good), '{"event": "sho', '{"event": "shown"}', "3", '{"event": ["x"]}', "\udcff"]
    (tmp_path / NAME).write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    assert summary(tmp_path)["shown"] == 1


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(" " * (MAX_BYTES + 1))
    Statistics(tmp_path).note("shown", language="python", ms=1.0)
    assert (tmp_path / NAME).stat().st_size < 200
    assert (tmp_path / OLDER).exists()


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    statistics = Statistics(tmp_path / "file")
    statistics.note("shown", language="python", ms=1.0)
    statistics.note("shown", language="python", ms=1.0)
    assert len(caplog.records) == 1


def test_percentiles() -> None:
    assert percentile([], 0.5) is None
    assert percentile([7.0], 0.95) == 7.0
    assert percentile([0.0, 10.0], 0.5) == 5.0
