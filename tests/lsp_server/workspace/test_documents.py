"""Open documents, against a model that knows nothing of indices: a list of lines and Python's own codecs."""

from __future__ import annotations

import re
import struct
import time
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.workspace.documents import Change, Document, Encoding, LineIndex, Position, without_halves

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
PIECES = [
    "a",
    "bc",
    " ",
    "\t",
    "\r",
    "\n",
    "\r\n",
    "é",
    "漢",
    "😀",
    "\f",
    "\x0b",
    "\x85",
    "\u2028",
    "\u2029",
    "\ud83d",
    "\ude00",
]

texts = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)
encodings = st.sampled_from(ENCODINGS)


def naive_lines(text: str) -> list[str]:
    return re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)


def naive_units(text: str, encoding: Encoding) -> int:
    if encoding == "utf-8":
        return sum(len(char.encode("utf-8", "surrogatepass")) for char in text)
    return sum(2 if encoding == "utf-16" and ord(char) > 0xFFFF else 1 for char in text)


def naive_position(text: str, offset: int, encoding: Encoding) -> Position:
    lines = naive_lines(text)
    starts = [0, *accumulate(map(len, lines))][: len(lines)]
    line = max(number for number, start in enumerate(starts) if start <= offset)
    before = text[starts[line] : offset]
    return Position(line, naive_units(before.rstrip("\r\n"), encoding))


def document(text: str, encoding: Encoding = "utf-16") -> Document:
    return Document("file:///a.py", "python", 0, text, encoding)


def is_place(text: str, offset: int) -> bool:
    """Whether a position can name `offset`: nothing can stand between a "\\r" and its "\\n"."""
    return text[offset - 1 : offset + 1] != "\r\n" if offset else True


@given(texts)
def test_line_index_of_a_text(text: str) -> None:
    lines = LineIndex(text)
    assert [lines.start(line) for line in range(len(lines))] == [0, *accumulate(map(len, naive_lines(text)))][:-1]


@given(texts, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), texts), max_size=6))
@settings(max_examples=400)
def test_line_index_follows_changes_at_any_offsets(text: str, changes: list[tuple[int, int, str]]) -> None:
    lines = LineIndex(text)
    for one, other, new in changes:
        start, end = sorted((min(one, len(text)), min(other, len(text))))
        changed = text[:start] + new + text[end:]
        lines.replace(text, changed, start, end)
        text = changed
        fresh = LineIndex(text)
        assert [lines.start(line) for line in range(len(lines))] == [fresh.start(n) for n in range(len(fresh))]


@given(texts, encodings)
def test_positions_and_offsets_are_inverse(text: str, encoding: Encoding) -> None:
    buffer = document(text, encoding)
    for offset in range(len(text) + 1):
        if is_place(text, offset):
            position = buffer.position(offset)
            assert position == naive_position(text, offset, encoding)
            assert buffer.offset(position) == offset


@given(texts, encodings, st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), texts), max_size=6))
@settings(max_examples=400)
def test_incremental_changes_equal_a_naive_replacement(
    text: str, encoding: Encoding, changes: list[tuple[int, int, str]]
) -> None:
    text = joined(text, encoding)
    buffer = document(text, encoding)
    for version, (one, other, new) in enumerate(changes, start=1):
        new = joined(new, encoding)  # as a message carries it
        places = [offset for offset in range(len(text) + 1) if is_place(text, offset)]
        start, end = sorted((places[one % len(places)], places[other % len(places)]))
        span = (naive_position(text, start, encoding), naive_position(text, end, encoding))
        text = joined(text[:start] + new + text[end:], encoding)
        buffer.apply([Change(new, *span)], version)
        assert (buffer.text, buffer.version) == (text, version)


@pytest.mark.parametrize(
    ("encoding", "position", "offset"),
    [
        ("utf-16", Position(0, 2), 1),  # inside the emoji's pair: before it
        ("utf-8", Position(0, 3), 1),
        ("utf-16", Position(0, 99), 3),  # past the end of a line: its end
        ("utf-16", Position(1, 99), 7),
        ("utf-16", Position(9, 0), 8),  # past the last line: the end
    ],
)
def test_positions_that_no_place_has(encoding: Encoding, position: Position, offset: int) -> None:
    assert document("a😀b\r\nxy\n", encoding).offset(position) == offset


def test_a_change_may_end_before_it_starts() -> None:
    buffer = document("abcd")
    buffer.apply([Change("X", Position(0, 3), Position(0, 1))], 1)
    assert buffer.text == "aXd"


def test_changes_of_one_notification_apply_in_turn() -> None:
    buffer = document("one\ntwo\n")
    buffer.apply([Change("three\n", Position(2, 0), Position(2, 0)), Change("", Position(0, 0), Position(1, 0))], 5)
    assert (buffer.text, buffer.version) == ("two\nthree\n", 5)


def test_a_change_without_a_range_is_the_whole_text() -> None:
    buffer = document("old")
    buffer.apply([Change("new\ntext")], 1)
    assert (buffer.text, buffer.offset(Position(1, 1))) == ("new\ntext", 5)


def test_a_snapshot_stays_what_it_was() -> None:
    buffer = document("a")
    snapshot = buffer.snapshot()
    assert buffer.is_still(snapshot)
    buffer.apply([Change("b", Position(0, 1), Position(0, 1))], 1)
    assert snapshot.text == "a"
    assert not buffer.is_still(snapshot)


def test_typing_in_a_long_buffer_is_quick() -> None:
    """50,000 lines: 300 keystrokes at two places take well under 20 ms each, on a busy machine too."""
    buffer = document("".join(f"value_{number} = compute({number})  # é\n" for number in range(50_000)))
    started = time.process_time()
    for stroke in range(300):
        line = 25_000 if stroke < 150 else 100
        buffer.apply([Change("x", Position(line, stroke % 150), Position(line, stroke % 150))], stroke)
        buffer.offset(Position(49_999, 3))
    assert time.process_time() - started < 6
    assert len(buffer.text.split("\n")[100]) > 150


def joined(text: str, encoding: Encoding) -> str:
    """Where units of 16 bits are counted, two halves that meet are one character."""
    return text_of(units_of(text)) if encoding == "utf-16" else text


PAIRS = st.text(st.sampled_from("a\n😀𝄞é"), max_size=8)


@given(PAIRS, st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), PAIRS, st.integers(0, 3)), max_size=8))
@settings(max_examples=300)
def test_halves_of_surrogate_pairs_come_and_go(text: str, changes: list[tuple[int, int, str, int]]) -> None:
    """A client that counts in UTF-16 may change any unit: the buffer is its own at every step."""
    buffer, units = document(text), units_of(text)
    for version, (one, other, new, cut) in enumerate(changes, start=1):
        start, end = sorted((min(one, len(units)), min(other, len(units))))
        typed = units_of(new)[cut:]  # may begin with half of a pair
        span = (unit_position(units, start), unit_position(units, end))
        buffer.apply([Change(text_of(typed), *span)], version)
        units[start:end] = typed
        assert buffer.text == text_of(units)


def units_of(text: str) -> list[int]:
    return [unit for (unit,) in struct.iter_unpack("<H", text.encode("utf-16-le", "surrogatepass"))]


def text_of(units: list[int]) -> str:
    return struct.pack(f"<{len(units)}H", *units).decode("utf-16-le", "surrogatepass")


def unit_position(units: list[int], at: int) -> Position:
    lines = "".join(chr(unit) for unit in units[:at]).split("\n")
    return Position(len(lines) - 1, len(lines[-1]))


@pytest.mark.parametrize("text", ["ab", "é😀", "a\ud83db", "\ude00\ud83d", "\ud83d\ud83d😀\ude00"])
def test_what_a_model_is_shown_of_halves_has_the_same_offsets(text: str) -> None:
    shown = without_halves(text)
    assert shown.encode() and len(shown) == len(text)
    assert [a if a == b else "half" for a, b in zip(text, shown, strict=True)] == [
        "half" if "\ud800" <= a <= "\udfff" else a for a in text
    ]
