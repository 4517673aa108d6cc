"""Logs and counts are their owner's alone, also where an earlier version left them open to all."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from sampler.protocol.private_files import PrivateLog, open_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("left_by_another_version", [False, True])
def test_a_file_is_its_owners_alone(tmp_path: Path, left_by_another_version: bool) -> None:
    path = tmp_path / "state" / "counts.jsonl"
    if left_by_another_version:
        path.parent.mkdir()
        path.touch(0o644)
    with open_private(path) as file:
        file.write("1\n")
    assert mode(path) == 0o600 and path.read_text() == "1\n"
    assert left_by_another_version or mode(path.parent) == 0o700


def test_a_log_that_is_rotated_is_too(tmp_path: Path) -> None:
    handler = PrivateLog(tmp_path / "a.log", maxBytes=10, backupCount=1)
    for _ in range(3):
        handler.emit(logging.makeLogRecord({"msg": "twelve signs"}))
    handler.close()
    assert [mode(path) for path in sorted(tmp_path.iterdir())] == [0o600, 0o600]
