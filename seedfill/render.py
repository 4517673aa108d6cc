"""What a person sees: a fill among its lines, figures in a table. Data in, rich text out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from sampler.protocol.messages import Candidate, InfillResult
from sampler.text.line_ends import unix_lines

FILL_STYLE = "bold green"
CONTEXT_LINES = 4
TAB_SIZE = 4

Segment = tuple[str, bool]
"""Text, and whether the model wrote it."""


def visible(text: str) -> str:
    """`text` with control characters as pictures: what a model writes must not command the terminal."""
    return "".join(_picture(character) for character in text)


def _picture(character: str) -> str:
    code = ord(character)
    if character in "\n\t":
        return character
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return "\ufffd" if 0x80 <= code < 0xA0 or 0xD800 <= code < 0xE000 else character


def numbered_lines(segments: Sequence[Segment], *, first_line: int = 1, context: int | None = CONTEXT_LINES) -> Text:
    """The segments joined, a number before each line; lines with a fill are marked, far ones left out."""
    lines = _split_lines(segments)
    filled = [i for i, line in enumerate(lines) if any(is_fill for _, is_fill in line)]
    first = 0 if context is None or not filled else max(filled[0] - context, 0)
    last = len(lines) if context is None or not filled else min(filled[-1] + context + 1, len(lines))
    width = len(str(first_line + last))
    shown = Text(tab_size=TAB_SIZE)
    for i in range(first, last):
        mark = "+" if i in filled else " "
        shown.append(f"{first_line + i:>{width}} {mark} ", style="dim")
        for text, is_fill in lines[i]:
            shown.append(text, style=FILL_STYLE if is_fill else "")
        shown.append("\n")
    shown.rstrip()
    return shown


def _split_lines(segments: Sequence[Segment]) -> list[list[Segment]]:
    lines: list[list[Segment]] = [[]]
    for text, is_fill in segments:
        first, *others = visible(unix_lines(text)).split("\n")
        lines[-1].append((first, is_fill))
        lines.extend([(line, is_fill)] for line in others)
    return lines


def summary(candidate: Candidate, result: InfillResult) -> Text:
    """One line: how much, how fast, how sure, by which model on which device."""
    per_forward = candidate.tokens / candidate.forwards if candidate.forwards else 0.0
    parts = [
        f"{candidate.tokens} tokens in {candidate.forwards} forwards ({per_forward:.1f} a forward)",
        f"{result.ms:.0f} ms",
        *([f"loading the model {result.load_ms / 1000:.1f} s"] if result.load_ms else []),
        f"confidence {candidate.confidence:.2f}",
        f"finish {candidate.finish}",
        f"{result.model} on {result.device}",
    ]
    return Text(" · ".join(parts), style="dim")
