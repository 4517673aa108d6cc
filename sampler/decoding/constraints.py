"""What a span may not say, and where: no end too early, and in its first place only what goes on from the cursor."""

from __future__ import annotations

import torch
from torch import Tensor

from sampler.decoding.canvas import Canvas
from sampler.decoding.span import Span


def without_end(span: Span, where: Tensor, logits: Tensor, canvas: Canvas) -> Tensor:
    """Logits (m, V) at tokens `where` of the block, without an end where a locked token is still to come."""
    must_go_on = span.must_go_on()
    return logits if must_go_on is None else _without_stop(canvas, logits, must_go_on[where])


def without_nothing(span: Span, places: Tensor, logits: Tensor, canvas: Canvas) -> Tensor:
    """Logits (m, V) at `places` (m,) of the span without an end before it says anything, where text is wanted.

    Its first token says nothing yet where it is the one that the prefix ended with, or not chosen.
    """
    if not canvas.wants_text:
        return logits
    first = _first(span)
    is_repeated = bool(canvas.first_ids) and (not first or first[0] == canvas.first_ids[0])
    return _without_stop(canvas, logits, places <= int(is_repeated))


def _first(span: Span) -> list[int]:
    """The first token of a span, none while it is masked."""
    block = span.block
    if span.tokens or block is None or bool(block.is_masked[block.n_anchor : block.n_anchor + 1].any()):
        return span.tokens[:1]
    return block.tokens[block.n_anchor : block.n_anchor + 1].tolist()


def begun(canvas: Canvas, logits: Tensor, is_first: Tensor) -> Tensor:
    """Logits (m, V) with only those tokens in a span's first place, `is_first` (m,), that it may begin with."""
    if not canvas.first_ids or not is_first.any():
        return logits
    barred = is_first.to(logits.device)[:, None].repeat(1, logits.shape[-1])
    barred[:, list(canvas.first_ids)] = False
    return logits.masked_fill(barred, -torch.inf)


def _without_stop(canvas: Canvas, logits: Tensor, where: Tensor) -> Tensor:
    """Logits (m, V) without what ends a span where `where` (m,) says so."""
    barred = torch.zeros_like(logits, dtype=torch.bool)
    barred[:, list(canvas.stop_ids)] = where.to(logits.device)[:, None]
    return logits.masked_fill(barred, -torch.inf)
