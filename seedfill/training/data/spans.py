"""Spans of held-out files as infilling tasks, and what is seen of a fill without running it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from seedfill.evaluation.tasks import InfillTask
from seedfill.training.data.corpus import Document

LINES = range(2, 7)
"""Lines of a longer span."""
_CIRCLE = re.compile(r"(\S.{1,60}?)\1{3,}", re.DOTALL)


def line_spans(documents: Sequence[Document], n: int, seed: int = 0) -> list[InfillTask]:
    """Rests of lines, from somewhere in the line on."""
    tasks: list[InfillTask] = []
    for document, start, end in islice(rests_of_lines(documents, random.Random(f"line/{seed}")), n):
        _add(tasks, document, start, end, f"line/{len(tasks)}")
    return tasks


def rests_of_lines(documents: Sequence[Document], rng: random.Random) -> Iterator[tuple[Document, int, int]]:
    """Documents, each with a character of a line and the line's end, that have something between them; without end."""
    while True:
        document = rng.choice(documents)
        start = rng.randrange(len(document.text))
        end = _line_end(document.text, start)
        if _says_something(document.text[start:end]):
            yield document, start, end


def block_spans(documents: Sequence[Document], n: int, seed: int = 0) -> list[InfillTask]:
    """Two to six whole lines, the first line's indentation left out."""
    rng = random.Random(f"lines/{seed}")
    tasks: list[InfillTask] = []
    while len(tasks) < n:
        document = rng.choice(documents)
        text = document.text
        start = text.rfind("\n", 0, rng.randrange(len(text))) + 1
        end = start
        for _ in range(rng.choice(LINES)):
            end = _line_end(text, min(end + (end > start), len(text)))
        start += len(text[start:end]) - len(text[start:end].lstrip())
        if "\n" in text[start:end] and end - start < 400:
            _add(tasks, document, start, end, f"lines/{len(tasks)}")
    return tasks


def repeats(text: str) -> bool:
    """Whether something longer than a sign stands four times in a row, indentation aside."""
    lines = "".join(line.lstrip() + "\n" for line in text.split("\n"))
    return _CIRCLE.search(lines) is not None


def _add(tasks: list[InfillTask], document: Document, start: int, end: int, name: str) -> None:
    gold = document.text[start:end]
    if _says_something(gold):
        prompt, suffix = document.text[:start], document.text[end:]
        tasks.append(InfillTask(task_id=f"heldout/{name}", prompt=prompt, suffix=suffix, gold=gold))


def _says_something(gold: str) -> bool:
    return len(gold.strip()) >= 3


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
