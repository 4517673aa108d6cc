"""Fetching a model of the catalogue: from a source to a folder that can be used, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sampler.protocol.paths import cache_folder, expanded, models_folder, user_models
from sampler.protocol.whole import discard, whole_folder
from seedfill.errors import BadInput, CommandError
from seedfill.models.catalogue import POCKET, Entry
from seedfill.models.sources import Fetch, OnBytes, SourceName, Unavailable, from_folder, from_hub, from_registry

GGUF, ORIGIN = "model.gguf", "origin.json"
SPARE_BYTES = 64 << 20
"""Room beside the file itself and what is computed of it: tokenizer, config, directory."""


class PullFailed(CommandError):
    """A model that could not be had; its text is one sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulled:
    """What was had, and from where; "installed" where it was there already."""

    id: str
    bytes: int
    source: Literal["hub", "registry", "folder", "installed"]
    sha256: str
    ms: float


def model_folder(model_id: str) -> Path:
    """Where a pulled model lies."""
    return models_folder() / model_id


def is_installed(entry: Entry) -> bool:
    """Whether the model can be used now: it ships with the package, or was pulled whole, from the pinned bytes."""
    if entry.id == POCKET:
        return True
    try:
        origin = json.loads((model_folder(entry.id) / ORIGIN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(origin, dict) and origin.get("sha256") == entry.sha256


def pull(entry: Entry, sources: dict[SourceName, Fetch], on_bytes: OnBytes) -> Pulled:
    """Fetch `entry` from the first of `sources` that has it. Raises PullFailed; what an earlier pull left is used."""
    started = time.monotonic()
    if entry.id == POCKET or entry.sha256 is None:
        raise BadInput(f"{entry.id} comes with the package: there is nothing to pull.")
    if is_installed(entry):
        return Pulled(id=entry.id, bytes=entry.bytes, source="installed", sha256=entry.sha256, ms=_ms(started))
    staging = cache_folder() / "pull" / entry.id
    try:
        _make_room(entry, staging)
        source, path = _fetched(entry, sources, staging, on_bytes)
        _install(entry, path, source, staging)
    except OSError as error:
        raise PullFailed(_in_words(error, staging)) from None
    shutil.rmtree(staging, ignore_errors=True)
    return Pulled(id=entry.id, bytes=entry.bytes, source=source, sha256=entry.sha256, ms=_ms(started))


def remove(entry: Entry) -> None:
    """Delete a pulled model and what the cache keeps of its weights; raises BadInput where there is none."""
    from sampler.model.prepare import kernels_folder

    folder = model_folder(entry.id)
    if entry.id == POCKET:
        raise BadInput("The pocket model is part of the package: it cannot be removed.")
    if not folder.is_dir():
        raise BadInput(f"{entry.id} is not installed.")
    kernels = kernels_folder(folder)
    discard(folder)
    if kernels.is_dir() and kernels not in map(kernels_folder, user_models()):
        discard(kernels)


def all_sources(wanted: str | None) -> dict[SourceName, Fetch]:
    """The sources to ask, in order: the named one alone, else the hub, then the registry."""
    named: dict[str, dict[SourceName, Fetch]] = {"hub": {"hub": from_hub}, "registry": {"registry": from_registry}}
    if wanted is None:
        return named["hub"] | named["registry"]
    if wanted in named:
        return named[wanted]
    folder = expanded(wanted)
    if not folder.is_dir():
        raise BadInput(f"There is no folder {wanted}: --from takes hub, registry or a folder.")
    return {"folder": from_folder(folder)}


def _fetched(
    entry: Entry, sources: dict[SourceName, Fetch], staging: Path, on_bytes: OnBytes
) -> tuple[SourceName, Path]:
    """(source, the file with the pinned hash). Raises PullFailed with what each source said."""
    said = []
    for name, fetch in sources.items():
        folder = staging / name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            path = fetch(entry, folder, on_bytes)
        except Unavailable as error:
            said.append(str(error).rstrip("."))
            continue
        found = _sha256(path)
        if found == entry.sha256:
            return name, path
        if path.is_relative_to(staging):
            shutil.rmtree(folder, ignore_errors=True)  # so that the next attempt starts afresh
        said.append(f"what the {name} gave for {entry.id} is another file (SHA-256 {found[:12]}…)")
    raise PullFailed(f"{entry.id} could not be had: {'; '.join(said)}.")


def _install(entry: Entry, path: Path, source: SourceName, staging: Path) -> None:
    """Make the model's folder and what is computed of it; in its place it is seen when all of that is there."""
    from sampler.model.folder import ModelError
    from sampler.model.gguf_folder import write_folder

    try:
        with whole_folder(model_folder(entry.id)) as fresh:
            _put(path, fresh / GGUF, is_ours=path.is_relative_to(staging))
            write_folder(fresh, fresh / GGUF, name=entry.id, licence=entry.licence, languages=entry.languages)
            origin = {"id": entry.id, "sha256": entry.sha256, "bytes": entry.bytes, "source": source}
            (fresh / ORIGIN).write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
            _compute_once(fresh)
    except ModelError as error:
        raise PullFailed(str(error)) from None


def _put(path: Path, place: Path, *, is_ours: bool) -> None:
    """The file under another name; what was fetched stays where it is until all is done, so that a pull goes on."""
    if is_ours:
        with suppress(OSError):  # another disk
            place.hardlink_to(path)
    if not place.exists():
        shutil.copyfile(path, place)


def _compute_once(folder: Path) -> None:
    """Compute what the CPU's network needs of the weights, so that the first request need not wait for it."""
    import torch

    from sampler.model.prepare import load_quantised

    if not torch.cuda.is_available():
        load_quantised(folder)


def _make_room(entry: Entry, staging: Path) -> None:
    """Raise PullFailed where a disk is too full, before anything is fetched."""
    target = model_folder(entry.id).parent
    for folder in (staging, target):
        folder.mkdir(parents=True, exist_ok=True)
    here = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    wanted = Counter({staging.stat().st_dev: 2 * entry.bytes - here + entry.memory + SPARE_BYTES})
    if target.stat().st_dev not in wanted:
        wanted[target.stat().st_dev] = entry.bytes + SPARE_BYTES
    for folder in (staging, target):
        free, needed = shutil.disk_usage(folder).free, wanted.pop(folder.stat().st_dev, 0)
        if free < needed:
            raise PullFailed(
                f"{entry.id} needs {needed / 1e6:.0f} MB in {folder}, where {free / 1e6:.0f} are free: make room."
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _in_words(error: OSError, staging: Path) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk is full: make room for {error.filename or staging} and pull again, which goes on from here."
    return f"{error.filename or staging} cannot be written ({error.strerror or error})."


def _ms(started: float) -> float:
    return (time.monotonic() - started) * 1e3
