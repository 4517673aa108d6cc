"""The table that compares stages of training: a row for each of several scorecards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS: dict[str, tuple[str, ...]] = {
    "bits a byte, causal": ("bits_per_byte", "causal"),
    "in blocks of 8": ("bits_per_byte", "8"),
    "exact match, line": ("line", "exact_match"),
    "lines": ("lines", "exact_match"),
    "pass@1": ("tasks", "pass_at_1"),
    "floor": ("tasks", "floor_pass_at_1"),
    "tokens a forward": ("line", "tokens_per_forward"),
    "at equal quality": ("equal_quality", "tokens_per_forward"),
    "deletions repaired": ("repaired", "delete"),
    "insertions": ("repaired", "insert"),
    "substitutions": ("repaired", "substitute"),
    "restored": ("self_correction", "restored"),
    "spoiled": ("self_correction", "spoiled"),
    "right after": ("self_correction", "exact_match"),
    "repetition": ("lines", "repetition_rate"),
    "parse": ("lines", "parse_rate"),
    "edits that pass": ("edits", "pass_at_1"),
}
"""Heading → where the figure stands in a scorecard."""


def markdown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table of scorecards by name; what was not measured is a dash, and a column of dashes is left out."""
    cells = {name: [_cell(card, path) for path in COLUMNS.values()] for name, card in rows.items()}
    shown = [i for i in range(len(COLUMNS)) if any(row[i] != "–" for row in cells.values())]
    headings = list(COLUMNS)
    lines = [["", *(headings[i] for i in shown)], ["---"] * (len(shown) + 1)]
    lines += [[name, *(row[i] for i in shown)] for name, row in cells.items()]
    return "".join(_line(line) for line in lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _cell(card: Mapping[str, Any], path: Sequence[str]) -> str:
    value: Any = card
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return f"{value:.2f}" if isinstance(value, float) else "–" if value is None else str(value)
