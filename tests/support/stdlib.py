"""The standard library's own modules as documents: read when a test asks, and once."""

from __future__ import annotations

from functools import cache

from seedfill.training.data.corpus import Document, stdlib_documents


def stdlib_modules(more_than: int) -> list[Document]:
    """Those of no package and of more than so many characters, sorted by name."""
    return [document for document in _modules() if len(document.text) > more_than]


@cache
def _modules() -> tuple[Document, ...]:
    return tuple(document for document in stdlib_documents() if "/" not in document.path)
