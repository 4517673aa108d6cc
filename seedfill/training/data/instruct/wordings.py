"""How people ask for each kind of edit: several wordings a kind, some of them kept for evaluation."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeAlias

WORDINGS = Path(__file__).with_name("wordings.toml")
Choice: TypeAlias = Literal["train", "heldout", "first"]
"""Which wordings: those that are trained on, those that are not, or the plainest one, which editors offer by name."""
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


def instruct(kind: str, facts: dict[str, str], rng: Random, choice: Choice = "train") -> str | None:
    """An instruction for the edit, as somebody might type it; None where it would have to say too much."""
    own = wordings()[kind]
    texts = {"train": own.train, "heldout": own.heldout, "first": own.train[:1]}[choice]
    if any(len(fact) > KEPT_FACT or "\n" in fact for fact in facts.values()):
        texts = tuple(text for text in texts if "{" not in text)
    if not texts:
        return None
    text = rng.choice(texts).format_map(facts)
    return text if choice == "first" else _styled(text, rng)


def foreign(kinds: tuple[str, ...], rng: Random) -> str:
    """An instruction for an edit of none of these kinds, which are not all."""
    return _styled(rng.choice(_foreign_wordings(kinds)), rng)


@cache
def _foreign_wordings(kinds: tuple[str, ...]) -> list[str]:
    known = {text for kind in kinds for text in wordings()[kind].train}
    others = {text for kind, own in wordings().items() if kind not in kinds for text in own.train}
    return sorted(text for text in others - known if "{" not in text)


def _styled(text: str, rng: Random) -> str:
    starts_with_word = text[0].islower() and text.split(" ", 1)[0].isalpha()
    if starts_with_word and rng.random() < 0.4:
        text = text[0].upper() + text[1:]
    return text + ("." if text[-1].isalnum() and rng.random() < 0.2 else "")
