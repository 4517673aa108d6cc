"""The two ways to answer: one JSON object on stdout, or rich text. Progress and warnings always go to stderr."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sampler.protocol.sentences import one_line

if TYPE_CHECKING:
    from rich.console import Console

JsonOption = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]


def print_json(body: dict[str, Any]) -> None:
    """One JSON object on one line; a figure that is no number becomes null."""
    print(json.dumps(_finite(body), allow_nan=False))


def stdout_console() -> Console:
    """For what was asked for. Long lines are left whole."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def stderr_console() -> Console:
    """For progress and remarks."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def complain(sentence: str) -> None:
    """Say on stderr, in one line, why the command ends."""
    print(f"seedfill: {one_line(sentence, most=None)}", file=sys.stderr)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
