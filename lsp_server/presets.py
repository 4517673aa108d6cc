"""Instructions that are offered by name, each only where the model was measured to follow it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

MIN_PASS_RATE = 0.6
"""Of edits on held-out code, refusals counted as failures; below it a preset is not offered."""


class Preset(NamedTuple):
    """An instruction with a name; `kind` is what the model's config.json calls it in "presets"."""

    kind: str
    title: str
    instruction: str


PRESETS = (
    Preset("type_hints", "Add type hints", "add type hints"),
    Preset("docstring", "Add a docstring", "add a docstring"),
    Preset("error_handling", "Handle errors", "handle errors"),
    Preset("logging", "Add logging", "add logging"),
    Preset("f_string", "Use f-strings", "use f-strings"),
    Preset("comprehension", "Use a comprehension", "use a comprehension"),
    Preset("guard_clause", "Return early", "return early"),
    Preset("conditional_expression", "Use a conditional expression", "use a conditional expression"),
    Preset("boolean_return", "Return the condition", "return the condition directly"),
    Preset("augmented_assignment", "Use augmented assignment", "use augmented assignment"),
    Preset("identity_with_none", "Compare with None by identity", "compare with None by identity"),
    Preset("sort_imports", "Sort imports", "sort the imports"),
    Preset("dead_code", "Remove dead code", "remove dead code"),
    Preset("unused_variable", "Remove unused variables", "remove the unused variable"),
    Preset("debug_prints", "Remove debug prints", "remove debug prints"),
    Preset("bug", "Fix the bug", "fix the bug"),
)


def offered(pass_rates: Mapping[str, float]) -> list[Preset]:
    """The presets that a model with these measured pass rates is good for."""
    return [preset for preset in PRESETS if pass_rates.get(preset.kind, 0.0) >= MIN_PASS_RATE]
