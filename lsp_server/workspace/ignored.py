"""Which files a project wants left alone: .gitignore, .git/info/exclude and .seedfillignore, in the way git reads them.

Patterns of an inner folder win over those of an outer one, and .seedfillignore wins over git, so that
`!build/notes.py` in it brings an ignored file back. Files are read when they change.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from pathspec import GitIgnoreSpec

logger = logging.getLogger(__name__)

MAX_DEPTH = 64
MAX_BYTES = 1 << 20


def ignored_by(path: Path, folders: Iterable[Path] = ()) -> Path | None:
    """The ignore file that excludes `path`, or None.

    Looked at are the folders from the file's own up to the workspace folder or the repository that holds it,
    whichever is further out; where there is neither, the file's own alone.
    """
    if not path.is_absolute():
        return None
    decision: Path | None = None
    for folder, file in _ignore_files(_project_folders(path, folders)):
        found = _matches(file, path.relative_to(folder).as_posix())
        if found is not None:
            decision = file if found else None
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
        yield folder, folder / ".git" / "info" / "exclude"
        yield folder, folder / ".gitignore"
    for folder in folders:
        yield folder, folder / ".seedfillignore"


def _matches(file: Path, relative: str) -> bool | None:
    """Whether the patterns of `file` exclude (True) or bring back (False) a path; None where they say nothing."""
    try:
        status = file.stat()
    except OSError:  # there is none
        return None
    return _patterns(file, status.st_mtime_ns, status.st_size).check_file(relative).include


@lru_cache(maxsize=256)
def _patterns(file: Path, mtime_ns: int, size: int) -> GitIgnoreSpec:
    """The patterns of a file as it was at a time; a line that is no pattern is left out, and noted."""
    if size > MAX_BYTES:
        logger.warning("%s is too large for an ignore file, so it is not read.", file)
        return GitIgnoreSpec.from_lines([])
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        logger.warning("%s cannot be read, so nothing is ignored by it: %s", file, error.strerror)
        return GitIgnoreSpec.from_lines([])
    return GitIgnoreSpec.from_lines(line for line in lines if _is_pattern(file, line))


def _is_pattern(file: Path, line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        logger.warning("%s: %r is no pattern, so it is left out.", file, line)
        return False
    return True
