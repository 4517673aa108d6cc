"""A text file as a person edits it: decoded, addressed by LINE:COL, and written back as it was found.

Encoding, byte order mark, line endings and mode survive; anything that is no text is refused in a sentence.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
import tokenize
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sampler.protocol.whole import whole_file
from sampler.text.line_ends import newline_of
from seedfill.errors import BadInput, CommandError, Refused

_LINE_ENDING = re.compile(r"\r\n|\n|\r")
_BYTE_ORDER_MARKS = (  # UTF-32 first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LANGUAGES = {
    ".py": "python",
    ".pyi": "python",
    ".pyw": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".ts": "typescript",
    ".c": "c",
    ".h": "c",
    ".sh": "shellscript",
    ".bash": "shellscript",
    ".toml": "toml",
    ".json": "json",
    ".md": "markdown",
}


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """The text of a file with its line endings untouched, and what is needed to write it back."""

    path: Path
    text: str
    encoding: str
    byte_order_mark: bytes
    raw: bytes

    @property
    def language(self) -> str:
        """The language's name as editors give it; "plaintext" where neither name nor first line tells."""
        if re.match(r"#!.*\bpython", self.text):
            return "python"
        return _LANGUAGES.get(self.path.suffix.lower(), "plaintext")

    @cached_property
    def newline(self) -> str:
        """The line ending that most lines have; "\\n" where there is none yet."""
        return newline_of(self.text)

    @cached_property
    def line_spans(self) -> list[tuple[int, int]]:
        """Start and end offset of each line, line endings left out. There is always at least one line."""
        endings = [match.span() for match in _LINE_ENDING.finditer(self.text)]
        starts = [0, *(end for _, end in endings)]
        ends = [*(start for start, _ in endings), len(self.text)]
        return list(zip(starts, ends, strict=True))

    def offset(self, line: int, col: int) -> int:
        """The offset of a 1-based cursor; raises BadInput where the file has no such place."""
        n_lines = len(self.line_spans)
        if not 1 <= line <= n_lines:
            raise BadInput(f"{self.path} has {_count(n_lines, 'line')}, so it has no line {line}.")
        start, end = self.line_spans[line - 1]
        if not 1 <= col <= end - start + 1:
            raise BadInput(
                f"Line {line} of {self.path} has {_count(end - start, 'character')}, "
                f"so COL must be from 1 to {end - start + 1}, not {col}."
            )
        return start + col - 1

    def line_col(self, offset: int) -> tuple[int, int]:
        """The 1-based cursor of an offset."""
        line = bisect_right(self.line_spans, offset, key=lambda span: span[0]) - 1
        return line + 1, offset - self.line_spans[line][0] + 1

    def with_own_newlines(self, text: str) -> str:
        """`text`, whose lines end in "\\n", with this file's line endings."""
        return text.replace("\n", self.newline)

    def encoded(self, text: str) -> bytes:
        """The bytes of this file if it held `text`; raises CommandError where its encoding cannot hold it."""
        try:
            return self.byte_order_mark + text.encode(self.encoding)
        except UnicodeEncodeError as error:
            character = text[error.start]
            raise CommandError(
                f"{self.path} is {self.encoding}, which cannot hold {character!r}; save it as UTF-8 first."
            ) from None

    def write(self, text: str) -> None:
        """Replace the file's text in one step, keeping encoding, byte order mark and mode.

        Raises Refused when the file changed since it was read, CommandError when it cannot be written; either
        way the file is as it was.
        """
        content = self.encoded(text)
        try:
            if self.path.read_bytes() != self.raw:
                raise Refused(f"{self.path} changed while it was being filled; run the command again.")
            replace_file(self.path, content)
        except OSError as error:
            raise CommandError(f"{self.path} cannot be written: {error.strerror}.") from None


def parse_position(text: str) -> tuple[int, int]:
    """LINE:COL as two numbers; raises BadInput."""
    match = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})", text)
    if match is None:
        raise BadInput(f"--at needs LINE:COL, for example 12:5, not {text!r}.")
    return int(match[1]), int(match[2])


def read_source(path: Path) -> SourceFile:
    """Read a text file; raises BadInput where there is none or it is no text."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise BadInput(f"{path} is {kind}; give a text file.")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"There is no file {path}.") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    mark, encoding = _encoding(path, raw)
    try:
        text = raw.removeprefix(mark).decode(encoding)
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not {encoding} text; save it as UTF-8 first.") from None
    if "\0" in text:
        raise BadInput(f"{path} looks like a binary file; give a text file.")
    return SourceFile(path=path, text=text, encoding=encoding, byte_order_mark=mark, raw=raw)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step: readers see the old file or the new one. Keeps mode and owner.

    A symbolic link stays one: what it points to is replaced. Raises OSError, leaving everything as it was.
    """
    path = path.resolve()
    with whole_file(path, mode=None) as fresh:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _copy_mode(path, fresh)


def _copy_mode(old: Path, new: Path) -> None:
    if not old.exists():
        new.chmod(0o666 & ~_umask())
        return
    status = old.stat()
    with suppress(PermissionError):  # only root may give a file away; others own what they write
        os.chown(new, status.st_uid, status.st_gid)
    new.chmod(stat.S_IMODE(status.st_mode))


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _encoding(path: Path, raw: bytes) -> tuple[bytes, str]:
    """The byte order mark and the encoding: by the mark, by Python's coding line, else UTF-8."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return mark, encoding
    if path.suffix.lower() not in (".py", ".pyi", ".pyw"):
        return b"", "utf-8"
    try:
        return b"", tokenize.detect_encoding(io.BytesIO(raw).readline)[0]
    except SyntaxError:  # an unknown coding line, or bytes that are no UTF-8: the decoder says which
        return b"", "utf-8"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
