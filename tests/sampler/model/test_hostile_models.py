"""Whatever a model's folder holds: a sentence or a model that works; benchmarks/fuzz_models.py tries for longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.hostile_models import check, check_file, copy, originals, spoil

FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return originals(tmp_path_factory.mktemp("sound"))


@pytest.fixture(autouse=True)
def _no_cache_but_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", ["seedfill", "dream", "sharded", "gguf"])
def test_a_sound_folder_works(kind: str, sound: dict[str, Path]) -> None:
    assert check(sound[kind])


@pytest.mark.parametrize("kind", ["seedfill", "dream", "sharded", "gguf"])
@FEW
@given(data=st.data())
def test_a_spoilt_folder_is_a_sentence_or_works(
    kind: str, data: st.DataObject, sound: dict[str, Path], tmp_path: Path
) -> None:
    folder = copy(sound[kind], tmp_path / "m")
    spoil(data.draw, folder)
    check(folder)


@FEW
@given(data=st.data())
def test_a_spoilt_file_is_a_sentence_or_works(data: st.DataObject, sound: dict[str, Path], tmp_path: Path) -> None:
    folder = copy(sound["file"], tmp_path / "m")
    spoil(data.draw, folder)
    check_file(folder / "model.gguf", folder)
