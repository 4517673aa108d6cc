"""Bits a byte of held-out text: exact for the causal reading, a bound for blocks that are denoised (paper Eq. 5).

A block of n tokens, read behind all the text before it, costs at most the mean over k = 1 … n of n / k times the
cross-entropy of k tokens masked at random. That is the ELBO of absorbing noise with its time integrated out: no
schedule enters, and for n = 1 it is exact. It depends on the partition, so the size of the blocks is part of it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import torch

from sampler.model.checkpoint import LoadedModel
from sampler.model.layout import LIVE_MARKER
from sampler.model.tokenizer import Tokenizer
from seedfill.training.data.corpus import Document
from seedfill.training.data.rows import IGNORED, Rows
from seedfill.training.objectives import losses
from seedfill.training.objectives.live import Live, LiveRows, stack_live

LENGTH = 384
"""Tokens of a stretch of text, the token before it included."""


@torch.no_grad()
def bits_per_byte(
    model: LoadedModel, documents: Sequence[Document], block_sizes: Sequence[int], *, n_rows: int = 16, seed: int = 0
) -> dict[str, float]:
    """ "causal" and each block size → bits a byte over `n_rows` stretches, the same whatever the block sizes are."""
    rng = random.Random(seed)
    sums = dict.fromkeys(["causal", *map(str, block_sizes)], 0.0)
    n_bytes = 0
    for i in range(n_rows):
        tokens = stretch(documents, model.tokenizer, rng, LENGTH - 1)
        clean = _clean([model.tokenizer.id("<prefix>"), *tokens])
        n_bytes += sum(len(model.tokenizer.token_bytes[token]) for token in tokens)
        for size in block_sizes:
            masks = random.Random(f"masks/{seed}/{i}/{size}")
            live = masked_blocks(clean.tokens[0].tolist(), size, model.tokenizer, masks)
            shift = model.profile.logit_shift
            parts = losses.masked(model.backbone, clean, live, model.device, 0.0, logit_shift=shift)
            sums[str(size)] += float(parts.sums["masked"])
        sums["causal"] += float(losses.next_token(model.backbone, clean, model.device).sums["next_token"])
    return {name: nats / math.log(2) / n_bytes for name, nats in sums.items()}


def stretch(documents: Sequence[Document], tokenizer: Tokenizer, rng: random.Random, n: int) -> list[int]:
    """Exactly `n` tokens of text from the start of some line on; raises ValueError where no file has so many."""
    for _ in range(1_000):
        text = rng.choice(documents).text
        start = text.rfind("\n", 0, rng.randrange(len(text))) + 1
        tokens = tokenizer.encode(text[start : start + 12 * n])
        if len(tokens) > n:  # the last one may have been cut
            return tokens[:n]
    raise ValueError(f"The held-out files are too short: none was found with {n} tokens.")


def _clean(tokens: list[int]) -> Rows:
    columns = (tokens, list(range(len(tokens))), [*tokens[1:], IGNORED])
    return Rows(*(np.array([column], dtype=np.int64) for column in columns))


def masked_blocks(tokens: list[int], size: int, tokenizer: Tokenizer, rng: random.Random) -> LiveRows:
    """Every block of `tokens` but the first token, each with a random number of masks, as one live stream."""
    mask_id, marker_id = tokenizer.id("<mask>"), tokenizer.id(LIVE_MARKER)
    live = Live()
    for start in range(1, len(tokens), size):
        block = tokens[start : start + size]
        n, n_masks, first = len(block), rng.randint(1, len(block)), len(live.tokens)
        chosen = set(rng.sample(range(n), n_masks))
        live.tokens += [mask_id if i in chosen else token for i, token in enumerate(block)]
        live.targets += [token if i in chosen else IGNORED for i, token in enumerate(block)]
        live.weights += [n / n_masks if i in chosen else 0.0 for i in range(n)]
        live.positions += range(start, start + n)
        live.is_maskable += [True] * n
        live.is_edited += [False] * n
        live.close_group(start, first, marker_id)
    return stack_live([live], len(tokens), len(live.tokens), tokenizer.id("<pad>"))
