"""How a request becomes one row of tokens: the layouts that training and sampling share. Frozen.

*Suffix first* (one span), what changes least standing first, so that a keystroke appends:

    <language> python <file> name [<instruction> …] [<snippet> name \\n text]… <suffix> S <prefix> P <middle> │ M <span_end>

*Holes* (two to eight spans): the document with a sentinel at each hole, then each hole's fill behind its own:

    header <prefix> A <hole_0> B <hole_1> C <middle> │ <hole_0> M₀ <span_end> <hole_1> M₁ <span_end>

*Edit* (an instruction rewrites a selection):

    header <suffix> S <prefix> P <selection> old <middle> │ new <span_end>

*Half written* (a plain language model that was taught to fill in the middle, by its own tokens):

    [repository name (file path \\n text)… file path \\n] prefix-token suffix-token S middle-token P │ M end

Positions run on from the context for one span. With holes, hole i's sentinel stands at position
`len(context) + i · HOLE_STRIDE`, whatever the length of the others, so that several can grow at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sampler.model.families.profile import InfillTokens
from sampler.model.tokenizer import Tokenizer
from sampler.protocol.messages import Snippet

LIVE_MARKER = "<spare_0>"
"""Stands behind a live group while it is denoised, at the position of the group's first token, and is never committed.

A visible token of a live block is judged where it stands, one of the clean stream predicts the next: the marker, which
only live tokens see, tells the two readings apart.
"""

HOLE_STRIDE = 128
"""Positions a hole owns, its sentinel included: so many tokens at most fill one hole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """The read-only tokens of a row and where its spans begin.

    `parts` names the tokens' origin in order, as (name, length), so that a cache miss can be explained.
    `anchors` holds, a span each, the tokens that precede the span's first live token in the live group: nothing for
    one span (its anchor `<middle>` belongs to the context), the sentinel for holes.
    """

    tokens: list[int]
    parts: list[tuple[str, int]]
    anchors: list[list[int]]
    starts: list[int]
    """Position of each span's first token, its anchor counted."""


def header(
    tokenizer: Tokenizer,
    *,
    language: str,
    path: str,
    instruction: str = "",
    snippets: Sequence[Snippet] = (),
) -> list[int]:
    """What stands before the document: language, file name, instruction, snippets of other files."""
    tokens = [tokenizer.id("<language>"), *tokenizer.encode(language)]
    if path:
        tokens += [tokenizer.id("<file>"), *tokenizer.encode(path)]
    if instruction:
        tokens += [tokenizer.id("<instruction>"), *tokenizer.encode(instruction)]
    for snippet in snippets:
        tokens += [tokenizer.id("<snippet>"), *tokenizer.encode(f"{snippet.path}\n{snippet.text}")]
    return tokens


def suffix_first(
    tokenizer: Tokenizer, head: list[int], prefix: list[int], suffix: list[int], selection: list[int] | None = None
) -> Context:
    """The layout of one span; with `selection`, the old code that is to be replaced, the edit layout."""
    parts = [
        ("header", head),
        ("suffix", [tokenizer.id("<suffix>"), *suffix]),
        ("prefix", [tokenizer.id("<prefix>"), *prefix]),
    ]
    if selection is not None:
        parts.append(("selection", [tokenizer.id("<selection>"), *selection]))
    parts.append(("middle", [tokenizer.id("<middle>")]))
    tokens = [token for _, part in parts for token in part]
    return Context(
        tokens=tokens,
        parts=[(name, len(part)) for name, part in parts],
        anchors=[[]],
        starts=[len(tokens)],
    )


def half_written(tokens: InfillTokens, head: list[int], prefix: list[int], suffix: list[int]) -> Context:
    """The layout of one span for a plain language model: the suffix, and the prefix as a middle that is half written."""
    parts = [
        ("header", head),
        ("suffix", [tokens.prefix, tokens.suffix, *suffix]),
        ("prefix", [tokens.middle, *prefix]),
    ]
    joined = [token for _, part in parts for token in part]
    return Context(tokens=joined, parts=[(name, len(part)) for name, part in parts], anchors=[[]], starts=[len(joined)])


def holes(tokenizer: Tokenizer, head: list[int], pieces: Sequence[list[int]]) -> Context:
    """The layout of k = len(pieces) - 1 spans, 2 to 8."""
    n_holes = len(pieces) - 1
    sentinels = [tokenizer.id(f"<hole_{i}>") for i in range(n_holes)]
    document = [tokenizer.id("<prefix>"), *pieces[0]]
    for sentinel, piece in zip(sentinels, pieces[1:], strict=True):
        document += [sentinel, *piece]
    tokens = [*head, *document, tokenizer.id("<middle>")]
    return Context(
        tokens=tokens,
        parts=[("header", len(head)), ("document", len(document)), ("middle", 1)],
        anchors=[[sentinel] for sentinel in sentinels],
        starts=[len(tokens) + i * HOLE_STRIDE for i in range(n_holes)],
    )
