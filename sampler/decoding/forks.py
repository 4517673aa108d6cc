"""Other beginnings of a fill, written on beside the likeliest.

What a model writes by taking the likeliest token each time is not always the likeliest text, nor what the place asks
for: a block that stands below needs a head, and the likeliest line may be none. So a few beginnings are written on in
one batch, and of the texts that leave the fewest syntax errors the likeliest is taken (`engine/results.py`). Whatever
can no longer be that one is left, so that it takes fewer passes than the likeliest tokens alone, but dearer ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from sampler.decoding.canvas import Canvas
from sampler.decoding.denoise import Row, denoise_step, start_row, stop
from sampler.decoding.passes import Model
from sampler.decoding.unmask import Sampling
from sampler.protocol.messages import InfillRequest

N_FORKS = 5
"""Beginnings that are written on, the likeliest apart."""
N_FIRST = 3
"""First tokens whose second tokens are looked at."""


def may_fork(request: InfillRequest, row: Row) -> bool:
    """Whether the likeliest texts are asked for, where a line ends or between lines, and nothing of them is told early.

    Inside a line hardly any text of several lines is without an error. Where the context was not read, or there is room
    for a single token, there are no beginnings.
    """
    is_line_end = row.canvas.is_between_lines or not request.pieces[-1].partition("\n")[0].strip()
    is_free = request.forks and not request.stream and not request.temperature
    return is_free and is_line_end and row.slot is not None and row.canvas.spans[0].limit > 1


def forks(model: Model, row: Row, canvas: Canvas, n: int) -> list[Row]:
    """Rows that begin with the n likeliest pairs of tokens, that of `row` apart; neither it nor they have made a step.

    `canvas` is the one that `row` was begun with, as it was before.
    """
    one_by_one = replace(row.sampling, policy="sequential", block_size=1)  # so that one step reads behind a token
    firsts = _likeliest(row, canvas, N_FIRST)
    rows = [_beginning(model, row, canvas, [first], one_by_one) for first, _ in firsts]
    denoise_step(model, rows)
    pairs = [
        ([first, second], log_prob + more)
        for (first, log_prob), behind in zip(firsts, rows, strict=True)
        for second, more in _likeliest(behind, canvas, n + 1)
        if (first, second) != (row.canvas.spans[0].next_token, behind.canvas.spans[0].next_token)
    ]
    best = sorted(pairs, key=lambda pair: pair[1], reverse=True)[:n]
    found = [_beginning(model, row, canvas, tokens, row.sampling) for tokens, _ in best]
    for other in found:
        other.n_before = 1
    return found


def prune(rows: Sequence[Row], n_wanted: int) -> None:
    """End the rows that cannot come to be likelier than so many that have ended and leave the code whole."""
    ends = [row.stopping.stop for row in rows if row.stopping and row.canvas.is_finished]
    whole = sorted((end.log_prob for end in ends if end.is_whole), reverse=True)
    most = whole[n_wanted - 1] if len(whole) >= n_wanted else -math.inf
    for row in rows:
        if row.stopping and not row.canvas.is_finished and row.stopping.log_prob_bound <= most:
            stop(row, "end")


def share_drafts(rows: Sequence[Row]) -> None:
    """Let the rows of a request that are still written share the room for drafts."""
    drafting = [row.drafter for row in rows if not row.canvas.is_finished]
    for drafter in drafting:
        drafter.share(len(drafting))


def _beginning(model: Model, row: Row, canvas: Canvas, tokens: Sequence[int], sampling: Sampling) -> Row:
    """A row like `row`, whose text begins with `tokens`."""
    other = start_row(model, canvas.copy(), sampling, row.slot)
    span = other.canvas.spans[0]
    span.finish, span.tokens, span.log_probs = None, [], []
    *span.given, span.next_token = tokens
    return other


def _likeliest(row: Row, canvas: Canvas, n: int) -> list[tuple[int, float]]:
    """The n likeliest tokens that may come next, the end apart, with their log-probabilities."""
    carry = row.canvas.spans[0].carry
    assert carry is not None
    top = carry.log_softmax(-1).topk(n + len(canvas.stop_ids))
    found = zip(top.indices.tolist(), top.values.tolist(), strict=True)
    return [(token, log_prob) for token, log_prob in found if token not in canvas.stop_ids and log_prob > -math.inf][:n]
