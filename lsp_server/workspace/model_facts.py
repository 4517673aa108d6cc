"""What the editor's side must know of a model, read from its config.json; the model itself is the service's."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sampler.protocol.paths import default_model_folder, expanded, models_folder
from sampler.protocol.regular_files import read_regular
from sampler.text.rewriting import CONFIDENCE_FLOOR

MAX_BYTES = 4 << 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFacts:
    """The section "seedfill" of a model's configuration, as far as suggestions need it."""

    confidence_floor: float = 0.0
    """Below it nothing is shown unasked, 0 to 1."""
    edit_confidence_floor: float = CONFIDENCE_FLOOR
    """Below it an edit is refused, 0 to 1."""
    eager_edit_threshold: float | None = None
    """τ_edit of the second look at code of which the first would change nothing; None: there is none."""
    languages: tuple[str, ...] = ()
    """The language ids it was made for; empty: unknown, so any."""
    presets: Mapping[str, float] = field(default_factory=dict)
    """Measured pass rates, 0 to 1, of the kinds of edit it was tried on."""


def model_facts(name: str | None) -> ModelFacts:
    """Facts of the model of that name or in that folder, None for the default; nothing where there is no file."""
    path = _folder(name) / "config.json"
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return ModelFacts()
    return _read(path, changed)


def _folder(name: str | None) -> Path:
    if name is None:
        return default_model_folder()
    own = models_folder() / name
    return own if own.is_dir() else expanded(name)


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> ModelFacts:
    """`changed` is there so that a file that changes is read again."""
    try:
        section: Any = json.loads(read_regular(path, MAX_BYTES, follow=True) or b"")["seedfill"]
        languages = tuple(str(language) for language in section.get("languages", ()))
        return ModelFacts(
            confidence_floor=float(section.get("confidence_floor") or 0),
            edit_confidence_floor=float(section.get("edit_confidence_floor", CONFIDENCE_FLOOR)),
            eager_edit_threshold=_number(section.get("eager_edit_threshold")),
            languages=languages,
            presets={str(kind): float(rate) for kind, rate in section.get("presets", {}).items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        logger.debug("%s says nothing of suggestions: %r", path, error)
        return ModelFacts()


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
