"""Instructions that are offered by name, each only where the model was measured to follow it.

The wordings are those that models are trained on: the plainest of each kind that names no fact of the code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

MIN_PASS_RATE = 0.6
"""Of edits on held-out code, refusals counted as failures; below it a preset is not offered."""


class Preset(NamedTuple):
    """An instruction with a name; `kind` is what the model's config.json calls it in "presets"."""

    kind: str
    title: str
    instruction: str
    needs: str = ""
    """What the code has to hold, as a pattern, for the preset to be worth a line of the menu."""
    covers: tuple[str, ...] = ()
    """The kinds of edit that it stands for, where it is about several."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of edit by which it is measured."""
        return self.covers or (self.kind,)

    def fits(self, code: str) -> bool:
        """Whether the code has something that it could be about."""
        return re.search(self.needs, code) is not None


SIMPLER = (
    *("any_or_all", "augmented_assignment", "bare_super", "boolean_return", "chained_comparison", "comprehension"),
    *("conditional_expression", "dict_items", "enumerated", "guard_clause", "inline_variable"),
    *("isinstance_of_several", "merged_conditions", "yield_from", "literals"),
)
WRONG = ("bug", "wrong_condition", "off_by_one", "missing_return")
NEEDLESS = ("dead_code", "unused_variable", "debug_prints")

PRESETS = (
    Preset("fix", "Fix the bug", "fix the bug", covers=WRONG),
    Preset("simplify", "Simplify", "simplify", covers=SIMPLER),
    Preset("cleanup", "Clean up", "clean this up", covers=NEEDLESS),
    Preset("type_hints", "Add type hints", "add type hints", r"\bdef\b"),
    Preset("docstring", "Add a docstring", "add a docstring", r"\b(def|class)\b"),
    Preset("error_handling", "Handle errors", "handle errors"),
    Preset("logging", "Add logging", "add logging"),
    Preset("context_manager", "Use a with statement", "use a with statement", r"\bopen\(|\.acquire\("),
    Preset("raise_from", "Chain the exception", "chain the exception", r"\braise\b"),
    Preset("f_string", "Use f-strings", "use f-strings", r"[\"'] (%|\+)|\+ [\"']|\.format\("),
    Preset("comprehension", "Use a comprehension", "use a comprehension", r"\bfor\b"),
    Preset("any_or_all", "Use any or all", "use any or all", r"\bfor\b[\s\S]*\breturn (True|False)\b"),
    Preset("conditional_expression", "Use a conditional expression", "use a conditional expression", r"\belse:"),
    Preset("boolean_return", "Return the condition", "return the condition directly", r"\breturn (True|False)\b"),
    Preset("inline_variable", "Return the value directly", "return it directly", r"=[\s\S]*\breturn\b"),
    Preset("guard_clause", "Return early", "return early", r"\belse:"),
    Preset("merged_conditions", "Merge nested conditions", "merge the conditions", r"\bif\b.*:\s+if\b"),
    Preset("identity_with_none", "Compare with None by identity", "compare with None by identity", r"[!=]= None\b"),
    Preset("chained_comparison", "Chain the comparison", "chain the comparison", r"[<>=].*\band\b.*[<>=]"),
    Preset("isinstance_of_several", "Use one isinstance call", "use one isinstance call", r"isinstance.* or "),
    Preset(
        "augmented_assignment", "Use augmented assignment", "use augmented assignment", r"\b(\S+) = \1 (//|[-+*/%|&]) "
    ),
    Preset("enumerated", "Use enumerate", "use enumerate", r"\brange\(len\("),
    Preset("dict_items", "Loop over items()", "use items()", r"\bfor\b[\s\S]*\["),
    Preset("yield_from", "Use yield from", "use yield from", r"\byield\b"),
    Preset("bare_super", "Use super() without arguments", "use super() without arguments", r"\bsuper\(\w"),
    Preset("literals", "Use literals", "use literals", r"\b(list|dict)\(\)"),
    Preset("sort_imports", "Sort imports", "sort the imports", r"\bimport\b[\s\S]*\bimport\b"),
    Preset("dead_code", "Remove dead code", "remove dead code", r"\b(return|raise)\b"),
    Preset("unused_variable", "Remove the unused variable", "remove the unused variable", r"\w = "),
    Preset("debug_prints", "Remove debug prints", "remove debug prints", r"\bprint\("),
    Preset("wrong_condition", "Fix the condition", "fix the condition", r"if\b"),
    Preset("off_by_one", "Fix the off-by-one error", "fix the off-by-one error", r"\brange\("),
    Preset("missing_return", "Return the result", "return the result", r"\bdef\b"),
)


def offered(pass_rates: Mapping[str, float], code: str) -> list[Preset]:
    """The presets that a model with these measured pass rates is good for, where the code has work for them."""
    return [preset for preset in PRESETS if pass_rates.get(preset.kind, 0.0) >= MIN_PASS_RATE and preset.fits(code)]
