"""Files and folders appear whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sampler.protocol import whole
from sampler.protocol.whole import discard, whole_file, whole_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("mode", "found"), [(0o600, 0o600), (0o644, 0o644), (None, 0o640)])
def test_a_file_takes_its_place_with_its_mode(mode: int | None, found: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with whole_file(path, mode=mode) as fresh:
        fresh.write_text("new")
        fresh.chmod(0o640)
        assert path.read_text() == "old"
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode), names(tmp_path)) == ("new", found, ["file"])


def test_a_failing_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="No space"), whole_file(path) as fresh:
        fresh.write_text("half")
        raise OSError("No space left on device")
    assert (path.read_text(), names(tmp_path)) == ("old", ["file"])


def test_a_folder_replaces_the_old_one_or_leaves_it(tmp_path: Path) -> None:
    place = tmp_path / "below" / "place"
    for text in ("first", "second"):
        with whole_folder(place) as fresh:
            (fresh / "a").write_text(text)
        assert ((place / "a").read_text(), names(place.parent)) == (text, ["place"])
    with pytest.raises(OSError, match="No space"), whole_folder(place) as fresh:
        (fresh / "a").write_text("half")
        raise OSError("No space left on device")
    assert ((place / "a").read_text(), names(place.parent)) == ("second", ["place"])
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    discard(place)
    assert names(place.parent) == []


def test_what_one_that_was_killed_left_is_swept_up(tmp_path: Path) -> None:
    for name, age in ((".place.old", 2 * whole.STALE_S), (".place.new", 0.0), (".other.old", 2 * whole.STALE_S)):
        (tmp_path / name).mkdir()
        then = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (then, then))
    with whole_folder(tmp_path / "place"):
        pass
    assert names(tmp_path) == [".other.old", ".place.new", "place"]
