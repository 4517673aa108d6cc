"""What the smoke recipes read: the standard library's codecs, some seventy short files that share most of their lines.

In a minute a network of 0.1M parameters learns nothing of code at large, but it does learn a text that repetitive, and
so every stage's objective can be seen at work on any machine. Held-out files are other codecs.
"""

from __future__ import annotations

import encodings
from pathlib import Path

from seedfill.training.data.corpus import Document

_START = "import codecs"
_MARK = "charmap_encode("  # by tables; codecs that compute have little in common
_TABLES = ("### Decoding", "### Encoding")


def codec_documents(max_characters: int = 1_300) -> list[Document]:
    """The running Python's codecs, sorted by name, from their imports to their tables; those without are left out."""
    folder = Path(encodings.__file__).parent
    texts = {path.name: _body(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.py"))}
    return [
        Document("python-stdlib", f"encodings/{name}", "python", text)
        for name, text in texts.items()
        if 500 < len(text) <= max_characters and _MARK in text
    ]


def _body(text: str) -> str:
    start = text.find(_START)
    ends = [at for at in (text.find(mark) for mark in _TABLES) if at > 0]
    return text[start : min(ends, default=len(text))] if start >= 0 else ""
