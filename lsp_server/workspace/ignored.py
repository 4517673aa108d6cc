"""Which files a project wants left alone: .gitignore, .git/info/exclude and .seedfillignore, in the way git reads them.

Patterns of an inner folder win over those of an outer one, and .seedfillignore wins over git, so that
`!build/notes.py` in it brings an ignored file back. Files are read when they change.
"""

from __future__ import annotations

import contextlib
import logging
import stat
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from lsp_server.workspace.ignore_patterns import MAX_PATTERNS, NONE, Patterns, parse
from sampler.protocol.regular_files import read_regular

logger = logging.getLogger(__name__)

MAX_DEPTH = 64
MAX_BYTES = 100_000
MAX_POINTER = 4096
MAX_COMPLAINTS = 10
KEPT_BY = ".seedfillignore"
EXCLUDE = "exclude"


def ignored_by(path: Path, folders: Iterable[Path] = ()) -> Path | None:
    """The ignore file that excludes `path`, or None.

    Looked at are the folders from the file's own up to the workspace folder or the repository that holds it,
    whichever is further out; where there is neither, the file's own alone.
    """
    if not path.is_absolute():
        return None
    decision = _decision(path, folders)
    return decision.file if decision and decision.excludes else None


def is_kept(path: Path, folders: Iterable[Path] = ()) -> bool:
    """Whether .seedfillignore says in so many words that `path` is not to be left alone, as in `!schema_pb2.py`."""
    decision = _decision(path, folders) if path.is_absolute() else None
    return decision is not None and not decision.excludes and decision.file.name == KEPT_BY


class _Decision(NamedTuple):
    """The file that has the last word on a path, and what it says."""

    file: Path
    excludes: bool


def _decision(path: Path, folders: Iterable[Path]) -> _Decision | None:
    """What the last pattern that matches says; where there are more than are read, what is left to say is no."""
    decision, room = None, MAX_PATTERNS
    for folder, file in _ignore_files(_project_folders(path, folders)):
        patterns = _patterns_of(file)
        room -= len(patterns.patterns)
        if room < 0 or patterns.is_cut:
            return _Decision(file, True)
        found = patterns.decide(path.relative_to(folder).as_posix())
        if found is not None:
            decision = _Decision(file, found)
    return decision


def _project_folders(path: Path, folders: Iterable[Path]) -> list[Path]:
    """From the outermost folder of the project to the file's own."""
    parents = list(path.parents)[:MAX_DEPTH]
    held_by = set(folders)
    outermost = max((n for n, parent in enumerate(parents) if parent in held_by or _is_repository(parent)), default=0)
    return parents[outermost::-1]


def _is_repository(folder: Path) -> bool:
    try:
        return (folder / ".git").exists()
    except OSError:  # a folder that may not be looked into
        return False


def _ignore_files(folders: list[Path]) -> Iterator[tuple[Path, Path]]:
    """(the folder that its patterns are about, the file), those that win last."""
    for folder in folders:
        yield folder, _exclude_file(folder)
        yield folder, folder / ".gitignore"
    for folder in folders:
        yield folder, folder / KEPT_BY


def _exclude_file(folder: Path) -> Path:
    """Where a repository keeps patterns of its own; that of a linked work tree or a submodule lies elsewhere."""
    git = folder / ".git"
    named = _pointer(git)
    if named.startswith("gitdir:"):
        git = folder / named.removeprefix("gitdir:").strip()
        git = git / _pointer(git / "commondir")
    return git / "info" / EXCLUDE


def _pointer(file: Path) -> str:
    """What a small file says, nothing where it is none."""
    with contextlib.suppress(OSError):
        return (read_regular(file, MAX_POINTER) or b"").decode("utf-8", "replace").strip()
    return ""


def _patterns_of(file: Path) -> Patterns:
    """The patterns of a file as it is now; none where there is no regular file."""
    try:
        status = file.stat() if _may_be_linked(file) else file.lstat()
    except OSError:
        return NONE
    return _patterns(file, status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else NONE


def _may_be_linked(file: Path) -> bool:
    """Git follows no link that a repository brings, and does follow one that a person made in its own folder."""
    return file.name == EXCLUDE


@lru_cache(maxsize=256)
def _patterns(file: Path, mtime_ns: int, size: int) -> Patterns:
    """The patterns of a file as it was at a time; a line that is no pattern is left out, and noted."""
    if size > MAX_BYTES:
        logger.warning("%s is too large for an ignore file, so all that it is about is left alone.", file)
    try:
        data = read_regular(file, MAX_BYTES, follow=_may_be_linked(file)) or b""
    except OSError as error:
        logger.warning("%s cannot be read, so nothing is ignored by it: %s", file, error.strerror)
        data = b""
    patterns, bad = parse(data.decode("utf-8-sig", "replace").split("\n"))
    for line in bad[:MAX_COMPLAINTS]:
        logger.warning("%s: %r is no pattern, so it is left out.", file, line[:80])
    return replace(patterns, is_cut=patterns.is_cut or size > MAX_BYTES)
