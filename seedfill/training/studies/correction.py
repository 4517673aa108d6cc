"""Self-correction: some visible tokens of held-out text are wrong, at places the model is not told.

The text stands behind its context as the start of a span, is judged block by block with the editor's own
`denoise_step`, and is compared with what it was.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from sampler.decoding.canvas import from_context
from sampler.decoding.denoise import denoise, read_context, start_row
from sampler.decoding.old_code import OldCode
from sampler.decoding.unmask import EDIT_THRESHOLD, Sampling
from sampler.model import layout
from sampler.model.checkpoint import LoadedModel
from sampler.model.tokenizer import RESERVED
from seedfill.training.data.corpus import Document
from seedfill.training.studies.bits import stretch

CONTEXT, VISIBLE, SUFFIX = 256, 60, 64
"""Tokens before the text in question, of it, and behind it."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """One text: as it was, what the model saw, and what it made of it."""

    original: list[int]
    seen: list[int]
    result: list[int]


def self_correction(
    model: LoadedModel,
    documents: Sequence[Document],
    *,
    n_texts: int = 40,
    rate: float = 0.05,
    edit_threshold: float = EDIT_THRESHOLD,
    seed: int = 0,
) -> dict[str, float]:
    """Shares of wrong tokens restored, of right ones spoiled, and of texts that are exactly right afterwards."""
    rng = random.Random(seed)
    found = []
    for _ in range(n_texts):
        tokens = stretch(documents, model.tokenizer, rng, CONTEXT + VISIBLE + SUFFIX)
        before, original, after = tokens[:CONTEXT], tokens[CONTEXT:-SUFFIX], tokens[-SUFFIX:]
        seen = substituted(original, max(round(rate * VISIBLE), 1), model.tokenizer.vocab_size, rng)
        result = correct(model, before, seen, after, edit_threshold)
        found.append(Corrected(original, seen, result))
    return tally(found)


def substituted(tokens: list[int], n: int, vocab_size: int, rng: random.Random) -> list[int]:
    """`n` of the tokens are others, drawn alike from all that write text."""
    places = set(rng.sample(range(len(tokens)), n))
    return [_other(token, vocab_size, rng) if i in places else token for i, token in enumerate(tokens)]


def _other(token: int, vocab_size: int, rng: random.Random) -> int:
    drawn = rng.randrange(len(RESERVED), vocab_size - 1)
    return drawn + (drawn >= token)


def correct(
    model: LoadedModel, before: list[int], seen: list[int], after: list[int], edit_threshold: float = EDIT_THRESHOLD
) -> list[int]:
    """What the model leaves of `seen`."""
    context = layout.suffix_first(model.tokenizer, [], before, after)
    canvas = from_context(context, len(seen), frozenset({model.profile.end_id}))
    canvas.spans[0].old_code = OldCode(list(seen), [False] * len(seen))
    sampling = Sampling(
        policy="threshold",
        threshold=0.9,
        block_size=max(model.profile.block_size, 16),  # shorter blocks were not taught to be judged
        edit_threshold=edit_threshold,
        is_edit=True,
    )
    slot, _ = read_context(model, canvas)
    denoise(model, [start_row(model, canvas, sampling, slot)])
    return canvas.spans[0].tokens


def tally(found: Sequence[Corrected]) -> dict[str, float]:
    """The figures over several texts; where lengths differ, what stayed is found by alignment."""
    n_wrong = n_restored = n_right = n_spoiled = 0
    for one in found:
        kept = _kept(one.original, one.result)
        for i, (token, shown) in enumerate(zip(one.original, one.seen, strict=True)):
            if token == shown:
                n_right += 1
                n_spoiled += i not in kept
            else:
                n_wrong += 1
                n_restored += i in kept
    return {
        "restored": n_restored / max(n_wrong, 1),
        "spoiled": n_spoiled / max(n_right, 1),
        "exact_match": sum(one.result == one.original for one in found) / max(len(found), 1),
    }


def _kept(original: list[int], result: list[int]) -> set[int]:
    """Indices of `original` whose tokens stand in `result` where they belong."""
    if len(original) == len(result):
        return {i for i, (a, b) in enumerate(zip(original, result, strict=True)) if a == b}
    blocks = SequenceMatcher(None, original, result, autojunk=False).get_matching_blocks()
    return {block.a + i for block in blocks for i in range(block.size)}
