"""What the sampler must know of a checkpoint family, as data. Code branches on these fields, never on a name."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, TypeGuard

from sampler.model.families.chat import ChatFrame
from sampler.protocol.messages import Policy
from sampler.protocol.sentences import one_line

Topology: TypeAlias = Literal["context-causal", "full"]
"""Who attends to whom. context-causal: context and committed tokens causally, only live blocks both ways."""
Layout: TypeAlias = Literal["suffix-first", "in-place"]
Cache: TypeAlias = Literal["exact", "refresh-per-block", "none"]
"""What keys and values of the context are worth: for ever, until the block is finished, for one pass."""
ByHand: TypeAlias = Literal["forks", "extent"]
"""How a fill is made that a person asked for: several beginnings are written on up to where they are worth most, or the
likeliest one as far as its place goes, which takes a model that can be relied on for several lines."""

LengthPolicy: TypeAlias = Literal["end-token", "fixed"]
"""How a span finds its length: the model ends it, or several lengths are tried and the surest is taken."""

MAX_VOCABULARY = 1 << 20
MAX_CONFIG_BYTES = 4 << 20
"""Of each of a checkpoint's files that say what it is."""
MAX_NAME = 100
"""Characters of a name that is shown."""
MAX_SETTING = 10**12

Config: TypeAlias = dict[str, Any]
"""A checkpoint's config.json."""


def model_id(folder: Path, config: Config) -> str:
    """What a model is called: the name it gives itself, else its folder's."""
    own = config.get("seedfill")
    name = own.get("name") if isinstance(own, dict) else None
    return name if is_name(name) else one_line(folder.name, MAX_NAME)


def is_name(name: object) -> TypeGuard[str]:
    """Whether something may be shown as a name: a few printable characters."""
    return isinstance(name, str) and name.isprintable() and 0 < len(name) <= MAX_NAME


class UnknownFamily(ValueError):
    """A checkpoint that no profile describes; its text is one sentence for a person."""


class Vocabulary(Protocol):
    """The part of a tokenizer that a family looks at."""

    vocab_size: int

    def id(self, reserved: str) -> int:
        """The id of a special token; raises KeyError where there is none."""
        ...

    @property
    def token_bytes(self) -> Sequence[bytes]:
        """What each token writes; nothing for special tokens."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class InfillTokens:
    """The tokens by which a plain language model was taught to fill in the middle."""

    prefix: int
    suffix: int
    middle: int
    repository: int
    """Before the repository's name, and so before other files."""
    file: int
    """Before each file's path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FamilyProfile:
    """How a family is laid out, sampled, cached and read. Ids that a family does not have are None."""

    name: str
    topology: Topology
    layout: Layout
    logit_shift: int
    """The logits at position p speak of the token at p + logit_shift."""
    live_start_offset: int
    """Where a live window begins, counted from its block: -1 where the position before it is read too."""
    block_size: int
    cache: Cache
    commit_pass: bool
    """Whether a finished block is read once more, so that its keys and values may stay."""
    causal_reading: bool
    """Whether the commit pass reads next tokens, as a plain language model does."""
    length_policy: LengthPolicy
    lengths: tuple[int, ...] = ()
    """Tokens a span may get where the length is fixed beforehand."""
    length_changes: tuple[int, ...] = ()
    """By how many tokens an edit may be longer than the old code, where the length is fixed beforehand."""
    chat: ChatFrame | None = None
    """How the family is told what to do; None: not by a chat."""
    by_hand: ByHand = "forks"
    policy: Policy = "threshold"
    threshold: float | None = None
    """The default policy's parameter; None: the policy's own."""
    mask_id: int
    end_id: int
    other_end_ids: tuple[int, ...] = ()
    """What ends a text as well as `end_id` does."""
    infill: InfillTokens | None = None
    """How the family is asked to fill in; None: by the reserved tokens of our own layouts."""
    begin_id: int | None = None
    expand_id: int | None = None
    """Said of a token: one MASK belongs before it. None for models that were not taught to edit, as `delete_id`."""
    delete_id: int | None = None
    edit_threshold: float | None = None
    """τ_edit of old code, see `Sampling`; None: that of what is written."""
    surprise_ceiling: float | None = None
    """The most that the words of a request may surprise, in nats a token, for an edit to be trusted; None: any."""
    live_marker_id: int | None = None
    """Stands behind a live group while it is denoised, at the position of its first token; never committed."""
    forbidden_ids: tuple[int, ...]
    """Tokens that are never predicted: the mask and whatever else writes no text."""
    languages: tuple[str, ...] = ()
    """What the family's text was written in; empty: unknown, so any."""

    @property
    def end_ids(self) -> frozenset[int]:
        """All that ends a text."""
        return frozenset({self.end_id, *self.other_end_ids})

    @property
    def edit_ids(self) -> tuple[int, ...]:
        """Answers that change a block's length."""
        return tuple(i for i in (self.delete_id, self.expand_id) if i is not None)


def unwritable(vocabulary: Vocabulary, vocab_size: int, keep: Iterable[int]) -> tuple[int, ...]:
    """Ids below `vocab_size` that stand for no text, `keep` left out: special tokens and unused rows.

    Raises UnknownFamily for a vocabulary beyond all reason.
    """
    if vocab_size > MAX_VOCABULARY:
        raise UnknownFamily(f"config.json claims {vocab_size:,} tokens, more than any vocabulary has.")
    kept = set(keep)
    silent = [i for i, text in enumerate(vocabulary.token_bytes) if not text and i not in kept]
    return (*silent, *range(vocabulary.vocab_size, vocab_size))


def special(vocabulary: Vocabulary, name: str) -> int:
    """The id of a special token that the family cannot do without."""
    try:
        return vocabulary.id(name)
    except KeyError:
        raise UnknownFamily(f"The tokenizer has no {name} token, which this family of models needs.") from None


def setting(config: Config, key: str, kind: type[Any], default: Any = None) -> Any:
    """A value of config.json; raises UnknownFamily where it is missing (no default) or of another kind."""
    value = config.get(key, default)
    if kind is float and type(value) is int and abs(value) < MAX_SETTING:
        return float(value)
    is_one = isinstance(value, kind) and isinstance(value, bool) is (kind is bool)
    if not is_one or (kind is float and not math.isfinite(value)):
        raise UnknownFamily(f"config.json must give {key!r} as {kind.__name__}, not {reprlib.repr(value)}.")
    return value


def languages(config: Config) -> tuple[str, ...]:
    """The languages that a checkpoint names; raises UnknownFamily where they are no names."""
    named = setting(config, "languages", list, [])
    if not all(map(is_name, named)):
        raise UnknownFamily("config.json must give 'languages' as a list of names.")
    return tuple(named)


def token_ids(profile: FamilyProfile) -> Iterator[int]:
    """All ids that a profile names, but for the forbidden ones."""
    yield from (profile.mask_id, *profile.end_ids, *profile.edit_ids)
    yield from (i for i in (profile.begin_id, profile.live_marker_id) if i is not None)
    if profile.infill is not None:
        yield from astuple(profile.infill)
