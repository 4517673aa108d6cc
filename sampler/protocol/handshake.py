"""Who a service is and how it does: what a client compares before it trusts a service with a request."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from sampler.protocol.messages import PROTOCOL_VERSION, BadMessage
from sampler.protocol.paths import default_model_folder

Status: TypeAlias = Literal["loading", "ready", "leaving"]

_HEAD_BYTES = 1 << 20
_SAMPLE_BYTES = 4096
_N_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class Identity:
    """Two sides with equal identities give the same answers; a service with another one is replaced."""

    protocol: int
    version: str
    weights: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelHealth:
    """A model the service knows; `bytes` is the memory it takes while `loaded`."""

    id: str
    bytes: int
    device: str
    dtype: str
    loaded: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """What GET /health answers. `device` is empty while the engine is being built (`status` "loading").

    `notices` are sentences for a person, such as a move to the CPU.
    """

    identity: Identity
    pid: int
    status: Status
    uptime_s: float
    device: str = ""
    models: tuple[ModelHealth, ...] = ()
    notices: tuple[str, ...] = ()
    slot_bytes: int = 0
    """Memory of what was read of documents."""


def current_identity() -> Identity:
    """What is installed now: read at each call, so that a window opened before an upgrade sees it."""
    try:
        version = metadata.version("seedfill")
    except metadata.PackageNotFoundError:
        version = "not installed"
    return Identity(PROTOCOL_VERSION, version, weights_hash(default_model_folder()))


def weights_hash(folder: Path) -> str:
    """A fingerprint of a model folder, "none" where there is no model; raises OSError.

    Takes milliseconds for a model of any size. Training moves nearly every byte.
    """
    names = [path for ending in ("json", "safetensors", "gguf") for path in folder.glob(f"*.{ending}")]
    files = sorted(name for name in names if name.is_file())  # a pipe would be waited for
    if not files:
        return "none"
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{fingerprint(file)}\0".encode())
    return digest.hexdigest()[:16]


def fingerprint(file: Path) -> str:
    """Of a file its size, the first megabyte (in a safetensors file all shapes) and 64 samples spread over the rest.

    Raises OSError.
    """
    size = file.stat().st_size
    digest = hashlib.sha256(f"{size}\0".encode())
    with file.open("rb") as stream:
        digest.update(stream.read(_HEAD_BYTES))
        for i in range(_N_SAMPLES if size > _HEAD_BYTES else 0):
            stream.seek(_HEAD_BYTES + (size - _HEAD_BYTES) * i // _N_SAMPLES)
            digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:16]


def health_to_json(health: Health) -> dict[str, Any]:
    """A JSON object."""
    return dataclasses.asdict(health)


def health_from_json(body: object) -> Health:
    """Decode a health report of any version: only identity, pid and status are needed; raises BadMessage."""
    try:
        return _health(body)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadMessage("The answer to /health is not a sampler's.") from None


def _health(body: Any) -> Health:
    if body["status"] not in get_args(Status):
        raise ValueError(body["status"])
    return Health(
        identity=Identity(**{field.name: body["identity"][field.name] for field in dataclasses.fields(Identity)}),
        pid=int(body["pid"]),
        status=body["status"],
        uptime_s=float(body.get("uptime_s", 0.0)),
        device=str(body.get("device", "")),
        models=tuple(_model(model) for model in body.get("models", ())),
        notices=tuple(str(notice) for notice in body.get("notices", ())),
        slot_bytes=int(body.get("slot_bytes", 0)),
    )


def _model(body: dict[str, Any]) -> ModelHealth:
    return ModelHealth(**{field.name: body[field.name] for field in dataclasses.fields(ModelHealth)})
