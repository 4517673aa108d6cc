"""What a person can set, as one frozen value.

Settings come from the client's initializationOptions, its workspace configuration and the command line, later
ones winning. Keys may be written debounceMs or debounce_ms. Bad input never stops the server: the default
takes its place, and a sentence says so.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, get_args, get_origin, get_type_hints

SamplerMode: TypeAlias = Literal["shared", "private"]
LogLevel: TypeAlias = Literal["error", "warning", "info", "debug"]


class Between(NamedTuple):
    """The range of a whole number, both ends included."""

    low: int
    high: int


class Within(NamedTuple):
    """The range of a number, both ends included."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplerSettings:
    """Where suggestions are made."""

    mode: SamplerMode = "shared"
    """One service for all windows of this user, or one of this server's own."""
    model: str | None = None
    """Another model than the service's default."""
    threads: Annotated[int, Between(1, 256)] | None = None
    """CPU threads of a service that this server starts, or starts anew when this changes; None: as suits the
    machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CompletionSettings:
    """When and how much is suggested."""

    enabled: bool = True
    debounce_ms: Annotated[int, Between(0, 5000)] | None = None
    """Wait this long for another keystroke before asking the sampler; 0: never wait; None: as the person types."""
    max_tokens: Annotated[int, Between(1, 512)] = 64
    deadline_ms: Annotated[int, Between(0, 60_000)] = 2000
    """What is finished by then is shown; 0: no deadline."""
    candidates: Annotated[int, Between(1, 8)] = 3
    """How many are offered where suggestions are asked for by hand; one comes unasked."""
    confidence_floor: Annotated[float, Within(0, 1)] | None = None
    """Nothing less sure is shown unasked; None: as the model's makers calibrated it."""
    speculative: bool = True
    """While a suggestion is on screen, prepare the one that follows it; never on battery or on a busy machine."""
    snippets: bool = False
    """Show the model pieces of other files too: definitions of names near the cursor, from open and imported files."""
    languages: tuple[str, ...] = ("python",)
    """Language ids in which suggestions come unasked; "*" stands for all."""
    fallback: bool = False
    """Offer suggestions in the ordinary completion list too, for clients without inline completion. Capabilities
    are told once, so this is heard in initializationOptions alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StatisticsSettings:
    """What is counted of suggestions, on this machine alone."""

    enabled: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class LogSettings:
    """What is written to the log file and to standard error."""

    level: LogLevel = "info"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """All settings."""

    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    completion: CompletionSettings = field(default_factory=CompletionSettings)
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    log: LogSettings = field(default_factory=LogSettings)


def settings_from(*layers: object) -> tuple[Settings, tuple[str, ...]]:
    """Settings of nested mappings, later ones winning, and a sentence about each thing that is wrong in them."""
    complaints: list[str] = []
    settings = Settings()
    for layer in layers:
        settings = _section(settings, layer, "", complaints)
    return settings, tuple(complaints)


def _section(settings: Any, raw: object, path: str, complaints: list[str]) -> Any:
    """`settings` with what `raw` gives; None stands for nothing given."""
    if raw is None:
        return settings
    if not isinstance(raw, Mapping):
        complaints.append(f"Invalid settings {path.rstrip('.') or 'of the client'}: not an object, ignored.")
        return settings
    hints = get_type_hints(type(settings), include_extras=True)
    given: dict[str, Any] = {}
    for key, value in raw.items():
        name = _snake_case(str(key))
        if name not in hints:
            complaints.append(f"Unknown setting {path}{key}, ignored.")
        elif value not in (None, ""):  # an empty text is how editors say that nothing is set
            given[name] = _value(hints[name], getattr(settings, name), value, f"{path}{key}", complaints)
    return dataclasses.replace(settings, **given)


def _value(hint: Any, current: Any, raw: object, path: str, complaints: list[str]) -> Any:
    if dataclasses.is_dataclass(hint):
        return _section(current, raw, f"{path}.", complaints)
    expected, holds = _check(hint, raw)
    if not holds:
        complaints.append(f"Invalid setting {path}: {raw!r} is not {expected}, using {current!r}.")
        return current
    return tuple(raw) if isinstance(raw, list) else raw


def _check(hint: Any, raw: object) -> tuple[str, bool]:
    """What `hint` asks for in words, and whether `raw` is that."""
    kind, arguments = get_origin(hint), get_args(hint)
    if kind is Annotated:
        return _check_range(arguments[1], raw)
    if kind is Literal:
        return " or ".join(map(repr, arguments)), raw in arguments
    if kind is tuple:
        return "a list of strings", isinstance(raw, list) and all(isinstance(item, str) for item in raw)
    if kind in (types.UnionType, typing.Union):
        return _check(arguments[0], raw)
    return {bool: "true or false", str: "a string"}[hint], type(raw) is hint


def _check_range(bounds: Between | Within, raw: object) -> tuple[str, bool]:
    low, high = bounds
    if isinstance(bounds, Between):
        return f"a whole number from {low} to {high}", type(raw) is int and low <= raw <= high
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
    return f"a number from {low} to {high}", is_number and low <= typing.cast(float, raw) <= high


def _snake_case(key: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
