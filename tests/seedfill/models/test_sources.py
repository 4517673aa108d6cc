"""The hub and the package index, as a server of the test's own plays them: had whole, or one sentence and exit 1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import huggingface_hub.file_download
import pytest

from sampler.protocol.paths import cache_folder, models_folder, user_models
from seedfill.models import sources
from seedfill.models.catalogue import Entry
from seedfill.models.pull import PullFailed, all_sources, is_installed, pull
from tests.support.file_server import REVISION, FileServer, serving
from tests.support.tiny_entry import tiny_entry, wheels
from tests.support.tiny_gguf import make_gguf

FILE = f"/a/b/resolve/{REVISION}/tiny.gguf"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_gguf(tmp_path_factory.mktemp("file") / "tiny.gguf").read_bytes()


@pytest.fixture
def entry(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tiny_entry(data)


@pytest.fixture
def server(entry: Entry, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    with serving(data, wheels=wheels(tmp_path / "index", data)) as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.address)
        template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 100)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", True)
        monkeypatch.setattr(huggingface_hub.file_download, "time", SimpleNamespace(sleep=lambda _: None))
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple/")
        yield server


def had(entry: Entry, source: str | None = "hub") -> list[int]:
    """How many bytes were there each time that it was told."""
    told: list[int] = []
    pull(entry, all_sources(source), told.append)
    return told


def test_the_hub_gives_the_file_at_its_revision(entry: Entry, server: FileServer) -> None:
    assert had(entry)[-1] == entry.bytes
    assert is_installed(entry) and not (cache_folder() / "pull" / entry.id).exists()
    n_asked = len(server.asked)
    had(entry)
    assert len(server.asked) == n_asked, "pulled again, nobody is asked"


def test_a_connection_that_drops_is_taken_up_where_it_ended(entry: Entry, server: FileServer) -> None:
    server.cut = [1000, 2000]
    had(entry)
    assert is_installed(entry)
    assert [asked for asked in server.asked if asked.startswith("GET")] == [f"GET {FILE} {n}" for n in (0, 1000, 3000)]


def test_a_pull_that_ended_goes_on_with_the_next(entry: Entry, server: FileServer) -> None:
    server.cut = [5000, *[0] * 20]
    with pytest.raises(PullFailed, match="cannot be reached"):
        had(entry)
    assert not is_installed(entry) and user_models() == []
    server.cut.clear()
    assert had(entry)[0] > 5000
    assert is_installed(entry) and server.asked[-1] == f"GET {FILE} 5000"


def other_bytes(server: FileServer) -> None:
    server.file = server.file[:-1] + b"x"


def shorter(server: FileServer) -> None:
    server.file = server.file[:-1]


def status(code: int) -> Callable[[FileServer], None]:
    return lambda server: setattr(server, "status", code)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (status(404), r"does not give a/b \(HTTP status 404\)"),
        (status(401), "HTTP status 401"),
        (status(503), "HTTP status 503"),
        (other_bytes, "is another file"),
        (shorter, "is another file"),
    ],
)
def test_what_the_hub_does_wrong_is_one_sentence(
    fault: Callable[[FileServer], None], sentence: str, entry: Entry, server: FileServer
) -> None:
    fault(server)
    with pytest.raises(PullFailed, match=sentence) as caught:
        had(entry)
    assert "\n" not in str(caught.value)
    assert user_models() == [] and list(models_folder().iterdir()) == []
    assert not list(cache_folder().rglob("*.part")), "the next starts afresh"


def test_a_full_disk_is_said_and_the_next_pull_goes_on(
    entry: Entry, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = sources._Heard.write

    def full(self: sources._Heard, data: bytes) -> int:
        write(self, data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sources._Heard, "write", full)
    with pytest.raises(PullFailed, match="The disk is full: make room"):
        had(entry)
    monkeypatch.setattr(sources._Heard, "write", write)
    had(entry)
    assert is_installed(entry) and server.asked[-1] == f"GET {FILE} 100"


def test_the_index_is_asked_where_the_hub_has_nothing(entry: Entry, server: FileServer) -> None:
    server.file = b""
    had(entry, None)
    assert is_installed(entry)
    first = [asked.split()[1] for asked in server.asked]
    assert first[0] == FILE and "/simple/tiny-part1/" in first


RUN = """
import sys
from pathlib import Path
from seedfill import cli
from seedfill.models import catalogue
from tests.support.tiny_entry import tiny_entry
catalogue.find = lambda _: tiny_entry(Path(sys.argv[1]).read_bytes())
sys.exit(cli.run(["models", "pull", "tiny-qwen", *sys.argv[2:]]))
"""


def run(file: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command itself, in a process whose environment says where to ask."""
    command = [sys.executable, "-c", RUN, str(file), *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_the_command_says_what_was_had_and_from_where(
    entry: Entry, server: FileServer, data: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(data)
    for source in ("hub", "installed"):  # the second time nobody is asked
        done = run(file, "--json", HF_ENDPOINT=server.address)
        assert done.returncode == 0, done.stderr
        body = json.loads(done.stdout)
        assert set(body) == {"id", "bytes", "source", "sha256", "ms"}
        assert (body["source"], body["bytes"], body["sha256"]) == (source, entry.bytes, entry.sha256)
    assert server.asked == [f"HEAD {FILE} 0", f"GET {FILE} 0"], "and nothing else is told to anybody"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "The hub at http://127.0.0.1:9 cannot be reached"),
        ({"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_no_network_is_one_sentence(
    environment: dict[str, str], sentence: str, entry: Entry, data: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(data)
    done = run(file, "--from", "hub", **environment)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("seedfill: tiny-qwen could not be had: ") and sentence in line
    assert user_models() == []
