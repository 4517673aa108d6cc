"""A file is read as an editor shows it and written back as it was found."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.text.line_ends import unix_lines
from seedfill.errors import BadInput, CommandError, Refused
from seedfill.source import SourceFile, parse_position, read_source


def source_of(text: str, tmp_path: Path) -> SourceFile:
    path = tmp_path / "a.py"
    path.write_bytes(text.encode())
    return read_source(path)


@pytest.mark.parametrize(
    ("text", "line", "col", "before"),
    [
        ("", 1, 1, ""),
        ("ab\ncd\n", 1, 1, ""),
        ("ab\ncd\n", 1, 3, "ab"),
        ("ab\ncd\n", 2, 2, "ab\nc"),
        ("ab\ncd\n", 3, 1, "ab\ncd\n"),
        ("ab\r\ncd", 2, 1, "ab\r\n"),
        ("ab\rcd", 2, 3, "ab\rcd"),
        ("\tx\n", 1, 2, "\t"),
        ("a = '🙂'  # ok\n", 1, 7, "a = '🙂"),
        ("a\fb\u2028c\x85d\n", 1, 8, "a\fb\u2028c\x85d"),
    ],
)
def test_offset_of_line_and_column(text: str, line: int, col: int, before: str, tmp_path: Path) -> None:
    source = source_of(text, tmp_path)
    offset = source.offset(line, col)
    assert source.text[:offset] == before
    assert source.line_col(offset) == (line, col)


@pytest.mark.parametrize(
    ("line", "col", "complaint"),
    [
        (0, 1, "no line 0"),
        (4, 1, "has 3 lines, so it has no line 4"),
        (1, 0, "COL must be from 1 to 3, not 0"),
        (1, 4, "has 2 characters, so COL must be from 1 to 3, not 4"),
        (3, 2, "has 0 characters, so COL must be from 1 to 1, not 2"),
    ],
)
def test_offset_outside_the_file(line: int, col: int, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=complaint):
        source_of("ab\ncd\n", tmp_path).offset(line, col)


@given(st.text(alphabet="ab\r\n\f🙂\u2028", max_size=30))
def test_every_place_has_a_line_and_column(text: str) -> None:
    source = SourceFile(path=Path("a.py"), text=text, encoding="utf-8", byte_order_mark=b"", raw=b"")
    for line, (start, end) in enumerate(source.line_spans, start=1):
        for offset in range(start, end + 1):
            assert source.offset(*source.line_col(offset)) == offset
            assert source.line_col(offset) == (line, offset - start + 1)
    assert unix_lines(text) == "\n".join(text[start:end] for start, end in source.line_spans)


@pytest.mark.parametrize("text", ["", "5", "5:", ":5", "a:b", "1:2:3", "-1:2", "1.5:2", "²:1", " 1:1"])
def test_parse_position_refuses(text: str) -> None:
    with pytest.raises(BadInput, match="LINE:COL"):
        parse_position(text)


@pytest.mark.parametrize(
    ("name", "raw", "encoding"),
    [
        ("a.py", "x = 'ä'\n".encode(), "utf-8"),
        ("a.py", codecs.BOM_UTF8 + "x = 'ä'\r\n".encode(), "utf-8"),
        ("a.txt", codecs.BOM_UTF16_LE + "ä\n".encode("utf-16-le"), "utf-16-le"),
        ("a.txt", codecs.BOM_UTF16_BE + "ä\n".encode("utf-16-be"), "utf-16-be"),
        ("a.txt", codecs.BOM_UTF32_LE + "ä\n".encode("utf-32-le"), "utf-32-le"),
        ("a.py", "# -*- coding: latin-1 -*-\nx = 'ä'\n".encode("latin-1"), "iso-8859-1"),
        ("a.py", b"x = 1\rx = 2\r", "utf-8"),
    ],
)
def test_unchanged_text_is_written_back_byte_for_byte(name: str, raw: bytes, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(raw)
    source = read_source(path)
    assert source.encoding == encoding
    source.write(source.text)
    assert path.read_bytes() == raw


@pytest.mark.parametrize(("text", "newline"), [("", "\n"), ("a\n", "\n"), ("a\r\nb\r\nc\n", "\r\n"), ("a\rb", "\r")])
def test_fills_get_the_line_endings_of_the_file(text: str, newline: str, tmp_path: Path) -> None:
    assert source_of(text, tmp_path).with_own_newlines("x\ny") == f"x{newline}y"


def test_write_keeps_mode_and_symbolic_link(tmp_path: Path) -> None:
    target, link = tmp_path / "script.py", tmp_path / "link.py"
    target.write_text("a\n")
    target.chmod(0o754)
    link.symlink_to(target.name)
    read_source(link).write("b\n")
    assert link.is_symlink()
    assert target.read_text() == "b\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o754
    assert {file.name for file in tmp_path.iterdir()} == {"link.py", "script.py"}


def test_write_refuses_a_file_that_changed(tmp_path: Path) -> None:
    source = source_of("a\n", tmp_path)
    source.path.write_text("typed meanwhile\n")
    with pytest.raises(Refused, match="changed while"):
        source.write("b\n")
    assert source.path.read_text() == "typed meanwhile\n"


def test_write_refuses_what_the_encoding_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    raw = "# coding: latin-1\nx = 'ä'\n".encode("latin-1")
    path.write_bytes(raw)
    with pytest.raises(CommandError, match="cannot hold '→'"):
        read_source(path).write("→")
    assert path.read_bytes() == raw


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"\x00\x01\x02", "looks like a binary file"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "is not utf-8 text"),
        (b"# coding: no-such\n\xe9", "is not utf-8 text"),
    ],
)
def test_read_refuses_what_is_no_text(raw: bytes, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(raw)
    with pytest.raises(BadInput, match=complaint):
        read_source(path)


def test_read_refuses_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, complaint in (("none.py", "There is no file"), ("", "is a folder"), ("pipe", "not a regular file")):
        with pytest.raises(BadInput, match=complaint):
            read_source(tmp_path / name)
    with pytest.raises(BadInput, match="cannot be read"):
        read_source(Path("a\0b"))
