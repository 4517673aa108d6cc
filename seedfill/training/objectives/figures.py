"""Figures that show a stage at work on held-out text, besides its loss."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch

from sampler.model.attention import TwoStream
from sampler.model.backbone import Backbone
from sampler.model.layout import LIVE_MARKER
from sampler.model.tokenizer import RESERVED, Tokenizer
from seedfill.training.data.corpus import Document
from seedfill.training.objectives.corrupt import OPERATIONS, Corrupted, EditNoise, corrupt

CONTEXT, BLOCK, N_EDITS = 96, 24, 2


@torch.no_grad()
def repaired(
    model: Backbone, documents: Sequence[Document], tokenizer: Tokenizer, n_blocks: int = 48
) -> dict[str, float]:
    """Per operation, the share of its corrupted places at which one forward says the right thing.

    `spoiled` is the share of untouched tokens that would be changed. Blocks of 24 tokens with two edits each.
    """
    rng = random.Random(0)
    device = next(model.parameters()).device
    right = dict.fromkeys(OPERATIONS, 0)
    places = dict.fromkeys(OPERATIONS, 0)
    spoiled = untouched = 0
    for operation in OPERATIONS:
        alone = EditNoise(**{name: float(name == operation) for name in OPERATIONS})
        for _ in range(n_blocks):
            context, block = _stretch(documents, tokenizer, rng)
            corrupted = _corrupted(block, alone, tokenizer, rng)
            said = _judge(model, context, corrupted.tokens, tokenizer, device)
            for token, target, answer in zip(corrupted.tokens, corrupted.targets, said, strict=True):
                if token == target:
                    untouched += 1
                    spoiled += answer != token
                else:
                    places[operation] += 1
                    right[operation] += answer == target
    shares = {operation: right[operation] / max(places[operation], 1) for operation in OPERATIONS}
    return shares | {"spoiled": spoiled / max(untouched, 1)}


def _stretch(documents: Sequence[Document], tokenizer: Tokenizer, rng: random.Random) -> tuple[list[int], list[int]]:
    """A context and the block behind it, from somewhere in a held-out file."""
    while True:
        text = rng.choice(documents).text
        start = rng.randrange(max(len(text) - 1_000, 1))
        tokens = tokenizer.encode(text[start : start + 2_000])
        if len(tokens) >= CONTEXT + BLOCK:
            return tokens[:CONTEXT], tokens[CONTEXT : CONTEXT + BLOCK]


def _corrupted(block: list[int], noise: EditNoise, tokenizer: Tokenizer, rng: random.Random) -> Corrupted:
    return corrupt(
        block,
        N_EDITS,
        noise,
        rng,
        lambda rng: rng.randrange(len(RESERVED), tokenizer.vocab_size),
        delete_id=tokenizer.id("<delete>"),
        expand_id=tokenizer.id("<expand>"),
    )


def _judge(
    model: Backbone, context: list[int], block: list[int], tokenizer: Tokenizer, device: torch.device
) -> list[int]:
    """What the model says of each token of a live block behind `context`."""
    live = [*block, tokenizer.id(LIVE_MARKER)]
    n, m = len(context), len(live)
    positions = [*range(n), *range(n, n + m - 1), n]
    seen = torch.ones(1, 1, m, n + m, dtype=torch.bool, device=device)
    hidden = model(
        torch.tensor([[*context, *live]], device=device), torch.tensor(positions, device=device), TwoStream(n, seen)
    )
    logits = model.logits(hidden[0, n : n + m - 1])
    logits[:, tokenizer.id("<mask>")] = -torch.inf
    answers: list[int] = logits.argmax(-1).tolist()
    return answers
