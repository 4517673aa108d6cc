"""Editing tasks of our own, from files that nobody trains on, asked for in words that nobody trains on.

Or in each kind's plainest words, which are those of an editor's menu: what a menu may offer is measured so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from seedfill.training.data.corpus import Document
from seedfill.training.data.instruct.pairs import excerpt, instruction, make_pair
from seedfill.training.data.instruct.source import TRANSFORMATIONS
from seedfill.training.data.instruct.wordings import Choice


def make_tasks(
    documents: Sequence[Document], n_per_kind: int, seed: int = 0, choice: Choice = "heldout"
) -> Iterator[dict[str, Any]]:
    """Up to `n_per_kind` tasks of every kind, each from another file, as `seedfill eval edit` reads them."""
    for kind in TRANSFORMATIONS:
        rng = Random(f"{seed}/{kind}")
        found = 0
        for document in rng.sample(documents, len(documents)):
            task = _task(document, kind, rng, choice) if found < n_per_kind else None
            if task is not None:
                yield {"task_id": f"{kind}/{found}", **task}
                found += 1


def _task(document: Document, kind: str, rng: Random, choice: Choice) -> dict[str, Any] | None:
    """A task from a stretch of the file, which stands for a file of its own."""
    start, end = excerpt(document.text, rng)
    after = document.text[start:end]
    pair = make_pair(after, kind, rng)
    asked = pair and instruction(pair, rng, choice)
    if pair is None or not asked:
        return None
    return {
        "kind": kind,
        "instruction": asked,
        "source": pair.before(after),
        "start": pair.start,
        "end": pair.start + len(pair.old),
        "replacement": pair.new,
        "path": f"{document.package}/{document.path}",
    }
