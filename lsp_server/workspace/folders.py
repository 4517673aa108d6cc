"""Which of the workspace's folders a file belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath


def workspace_folder(path: PurePath, folders: Iterable[PurePath]) -> PurePath | None:
    """The innermost of `folders` that holds `path`: no snippet and no setting crosses from one into another."""
    return max((one for one in folders if path.is_relative_to(one)), key=lambda one: len(one.parts), default=None)


def path_in_workspace(path: PurePath, folders: Iterable[PurePath]) -> str:
    """`path` from its workspace folder on, else its name; always with forward slashes."""
    folder = workspace_folder(path, folders)
    return (PurePath(path.name) if folder is None else path.relative_to(folder)).as_posix()
