"""Other beginnings for a fill that leaves something wrong with the code around it.

What a model writes by taking the likeliest token each time is not always what the place asks for: a block that stands
below needs a head, and the likeliest line may be none. So where it leaves a fault that another line would not, a few
other beginnings are written on, all at once, and of the texts that leave the fewest faults the one worth most is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from sampler.canvas import Canvas
from sampler.denoise import Row, denoise_step, start_row, stop
from sampler.messages import InfillRequest
from sampler.passes import Model
from sampler.unmask import Sampling

N_FORKS = 8
"""Beginnings that are written on."""
N_FIRST = 3
"""First tokens whose second tokens are looked at."""


def may_fork(request: InfillRequest, canvas: Canvas) -> bool:
    """Whether the likeliest text is asked for, where a line ends or between lines, and nothing of it is told early.

    Inside a line hardly any text of several lines is without a fault.
    """
    is_line_end = canvas.is_between_lines or not request.pieces[-1].partition("\n")[0].strip()
    is_lone = request.n_candidates == 1 and not request.stream and not request.temperature
    return request.forks and is_lone and is_line_end


def needs_forks(row: Row) -> bool:
    """Whether the row has come to an end that leaves a fault."""
    return row.ending is not None and row.canvas.is_finished and not row.ending.stop.is_whole


def can_fork(row: Row) -> bool:
    """Whether its context has been read, and there is room for a beginning."""
    return row.slot is not None and row.canvas.spans[0].limit > 1


def forks(model: Model, row: Row, canvas: Canvas) -> list[Row]:
    """Rows that begin with the likeliest two tokens, those of `row` apart; `canvas` is its own, before it was begun."""
    own = row.canvas.spans[0].tokens[:2]
    one_by_one = replace(row.sampling, policy="sequential", block_size=1)  # so that one step reads behind a token
    firsts = _likeliest(_beginning(model, row, canvas, [], one_by_one), canvas, N_FIRST)
    rows = [_beginning(model, row, canvas, [first], one_by_one) for first, _ in firsts]
    denoise_step(model, rows)
    pairs = [
        ([first, second], log_prob + more)
        for (first, log_prob), behind in zip(firsts, rows, strict=True)
        for second, more in _likeliest(behind, canvas, N_FORKS)
        if [first, second] != own
    ]
    best = sorted(pairs, key=lambda pair: pair[1], reverse=True)[:N_FORKS]
    found = [_beginning(model, row, canvas, tokens, row.sampling) for tokens, _ in best]
    for other in found:
        other.ending = row.ending and row.ending.anew()
    return found


def prune(rows: Sequence[Row]) -> None:
    """End the rows that cannot come to be worth more than one that has ended and leaves the code whole."""
    ends = [row.ending.stop for row in rows if row.ending and row.canvas.is_finished]
    most = max((end.worth for end in ends if end.is_whole), default=-math.inf)
    for row in rows:
        span = row.canvas.spans[0]
        if row.ending and not span.finish and row.ending.hope(span.limit - len(span.tokens)) <= most:
            stop(row, "end")


def _beginning(model: Model, row: Row, canvas: Canvas, tokens: Sequence[int], sampling: Sampling) -> Row:
    """A row like `row`, whose text begins with `tokens`; before it were that one's passes and one to find them."""
    other = start_row(model, canvas.copy(), sampling, row.slot)
    other.n_before = row.n_forwards + 1
    if tokens:
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
