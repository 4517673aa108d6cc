"""How people ask for each kind of edit: several wordings a kind, some of them kept for evaluation."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

WORDINGS = Path(__file__).with_name("wordings.toml")
KEPT_FACT = 80
"""Characters of the longest fact that a person would type."""


@dataclass(frozen=True, slots=True)
class Wordings:
    """The wordings of one kind; `heldout` ones are never trained on."""

    train: tuple[str, ...]
    heldout: tuple[str, ...]


@cache
def wordings() -> dict[str, Wordings]:
    """By kind, those of its groups included."""
    body: dict[str, Any] = tomllib.loads(WORDINGS.read_text())
    found = {}
    for kind, own in body["kind"].items():
        groups = [group for group in body["group"].values() if kind in group["kinds"]]
        train, heldout = ([text for part in (own, *groups) for text in part[name]] for name in ("train", "heldout"))
        found[kind] = Wordings(tuple(train), tuple(heldout))
    return found


def instruct(kind: str, facts: dict[str, str], rng: Random, *, heldout: bool = False) -> str | None:
    """An instruction for the edit, as somebody might type it; None where it would have to say too much."""
    texts = wordings()[kind].heldout if heldout else wordings()[kind].train
    if any(len(fact) > KEPT_FACT or "\n" in fact for fact in facts.values()):
        texts = tuple(text for text in texts if "{" not in text)
    if not texts:
        return None
    text = rng.choice(texts).format_map(facts)
    starts_with_word = text[0].islower() and text.split(" ", 1)[0].isalpha()
    if starts_with_word and rng.random() < 0.4:
        text = text[0].upper() + text[1:]
    return text + ("." if text[-1].isalnum() and rng.random() < 0.2 else "")
