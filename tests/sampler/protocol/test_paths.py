"""Folders by the XDG rules, sockets short enough, nobody else let in, and the model's fingerprint."""

from __future__ import annotations

import dataclasses
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sampler.protocol import paths
from sampler.protocol.handshake import (
    Health,
    Identity,
    ModelHealth,
    current_identity,
    health_from_json,
    health_to_json,
    weights_hash,
)
from sampler.protocol.messages import PROTOCOL_VERSION, BadMessage


@pytest.mark.parametrize(
    ("function", "variable", "default"),
    [
        (paths.cache_folder, "XDG_CACHE_HOME", ".cache"),
        (paths.state_folder, "XDG_STATE_HOME", ".local/state"),
        (paths.data_folder, "XDG_DATA_HOME", ".local/share"),
    ],
)
def test_folders_follow_xdg(
    function: Callable[[], Path], variable: str, default: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    expected = {"/data/ada": "/data/ada/seedfill", "": f"/home/ada/{default}/seedfill"}
    expected["relative/is/ignored"] = expected[""]
    for value, folder in expected.items():
        monkeypatch.setenv(variable, value)
        assert function() == Path(folder)


@pytest.mark.parametrize(
    ("name", "found"),
    [("~/m", "/home/ada/m"), ("~", "/home/ada"), ("~nobody-of-this-name/m", "~nobody-of-this-name/m"), ("m", "m")],
)
def test_a_path_is_read_as_a_shell_does(name: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert paths.expanded(name) == Path(found)


def test_the_socket_lies_in_the_runtime_folder_or_the_state_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert paths.shared_place().socket == Path(f"/run/user/1000/seedfill/sampler-{PROTOCOL_VERSION}.sock")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    assert paths.shared_place().socket == Path(f"/s/seedfill/run/sampler-{PROTOCOL_VERSION}.sock")


@pytest.mark.parametrize("name", ["x" * 40, "x" * 90, "x" * 200, "é" * 45, "s p a c e s"])
def test_no_socket_path_is_too_long(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    places = []
    for runtime in (f"/run/{name}", f"/run/{name}-2"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        places.append(paths.shared_place())
        assert places[-1] == paths.shared_place()
        assert len(os.fsencode(places[-1].socket)) < paths.MAX_SOCKET_BYTES
    assert places[0] != places[1]


def test_private_places_are_fresh_short_and_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    first, second = paths.new_private_place(), paths.new_private_place()
    assert first != second
    for place in (first, second):
        assert len(os.fsencode(place.socket)) < paths.MAX_SOCKET_BYTES
        assert stat.S_IMODE(place.socket.parent.stat().st_mode) == 0o700


def test_a_folder_that_others_may_enter_is_closed_to_them(tmp_path: Path) -> None:
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o755)
    assert stat.S_IMODE(paths.make_private(open_folder).stat().st_mode) == 0o700


def test_a_link_or_a_file_is_no_private_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch()
    for name in ("link", "file", "file/below"):
        with pytest.raises(paths.PathError, match="set XDG_RUNTIME_DIR"):
            paths.make_private(tmp_path / name)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    for folder in (tmp_path, tmp_path / "below"):
        with pytest.raises(paths.PathError, match="cannot be .*set XDG_RUNTIME_DIR"):
            paths.make_private(folder)
    tmp_path.chmod(0o700)


def test_what_keeps_a_folder_from_being_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert paths.obstacle(tmp_path) is None
    assert paths.obstacle(tmp_path / "new" / "newer") is None
    assert paths.obstacle(file / "new") == file
    if sys.platform == "linux":  # where not even root may write
        assert paths.obstacle(Path("/proc/self/new")) == Path("/proc/self")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_seedfill_model_names_another_default_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDFILL_MODEL", raising=False)
    assert paths.default_model_folder() == Path(paths.__file__).parents[1] / "weights"
    shipped = current_identity()
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("SEEDFILL_MODEL", tmp_path.name)
    assert paths.default_model_folder() == tmp_path
    assert current_identity() == dataclasses.replace(shipped, weights=weights_hash(tmp_path))
    assert current_identity() != shipped


def test_the_weights_hash_sees_every_kind_of_change(tmp_path: Path) -> None:
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    assert weights_hash(tmp_path) == weights_hash(tmp_path / "missing") == "none"
    config.write_text("{}")
    size = 5 << 20
    weights.write_bytes(bytes(size))
    hashes = [weights_hash(tmp_path)]
    assert weights_hash(tmp_path) == hashes[0]
    config.write_text('{"n": 1}')
    hashes.append(weights_hash(tmp_path))
    for changed in (b"\1" + bytes(size - 1), bytes(1 << 20) + b"\1" * (4 << 20), bytes(size + 1)):
        weights.write_bytes(changed)
        hashes.append(weights_hash(tmp_path))
    (tmp_path / "README.md").write_text("A card is no weight.")
    assert weights_hash(tmp_path) == hashes[-1]
    assert len(set(hashes)) == len(hashes)


def test_the_weights_hash_of_a_large_model_takes_no_time(tmp_path: Path) -> None:
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(8 << 30)
    started = time.process_time()
    weights_hash(tmp_path)
    assert time.process_time() - started < 0.5


def test_health_survives_the_wire() -> None:
    health = Health(
        identity=Identity(1, "0.1.0", "abc"),
        pid=7,
        status="ready",
        uptime_s=1.5,
        device="cpu",
        models=(ModelHealth(id="m", bytes=3, device="cpu", dtype="float32", loaded=True),),
        notices=("It moved to the CPU.",),
    )
    assert health_from_json(health_to_json(health)) == health


def test_health_of_another_version_is_understood_as_far_as_it_must_be() -> None:
    body = {"identity": {"protocol": 9, "version": "9.0", "weights": "x"}, "pid": 7, "status": "ready", "new": 1}
    assert health_from_json(body) == Health(identity=Identity(9, "9.0", "x"), pid=7, status="ready", uptime_s=0.0)


@pytest.mark.parametrize("body", [None, [], "ok", {}, {"status": "ok"}, {"identity": {}, "pid": 1, "status": "ready"}])
def test_what_is_no_health_is_a_bad_message(body: object) -> None:
    with pytest.raises(BadMessage, match="not a sampler's"):
        health_from_json(body)
