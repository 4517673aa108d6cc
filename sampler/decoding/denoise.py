"""One step of denoising, for the editor, distillation and rollouts alike, and the loop over blocks.

A step is one pass over the live blocks of a batch of rows. A row with masks left unmasks some of them. A row without
is looked at once more, where it may edit: tokens that the model is sure should be others are replaced, dropped, or
given a mask before them, for a bounded number of steps. Then it commits: its block is read causally, its keys and
values move to the row's tail, and the logits of that reading say how probable the text is. Between two steps nothing
is half done: a step is a control point.

How a row is decoded is its policy (`policies.py`): which masks a step takes (`unmask.py`), who drafts (`drafters.py`),
and whether the commit keeps only what the causal reading agrees with. No step asks for a policy by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from sampler.decoding.canvas import Canvas
from sampler.decoding.constraints import begun, without_end, without_nothing
from sampler.decoding.drafters import Drafter, Masks, drafter_for, until_end
from sampler.decoding.passes import Model, Pass, forward, read_logits, with_drafts
from sampler.decoding.span import Block, Span
from sampler.decoding.stopping import Stopping
from sampler.decoding.unmask import Sampling, agreeing, doubts, forbid, judge, pick, prefer, unmask
from sampler.model.families import FamilyProfile
from sampler.model.kv_cache import ContextSlot, KeyValues, Reuse, Tail, join
from sampler.protocol.messages import Finish

Phase: TypeAlias = Literal["unmask", "edit", "commit"]
"""What a row's next pass is for."""


@dataclass(slots=True, eq=False)
class Row:
    """One candidate at work: its canvas, how it is sampled, and the keys and values it reads."""

    canvas: Canvas
    sampling: Sampling
    slot: ContextSlot | None = None
    """The context, shared with other rows; None where the family's context changes with the spans."""
    tail: Tail = field(default_factory=Tail)
    surroundings: KeyValues | None = None
    """In place: everything outside the live window, as of the last refresh; None until it is made."""
    leads: dict[int, int] = field(default_factory=dict)
    """In place: position → token of the row at the last refresh."""
    stopping: Stopping | None = None
    """Where its one span ends, unless it is left to the model alone."""
    n_forwards: int = 0
    """Passes over a live block, commits and refreshes included, reading the context apart."""
    n_before: int = 0
    """Passes that were made of other rows before this one could begin."""
    drafter: Drafter = field(default_factory=Masks)
    edits_left: int = 0
    """Steps in which the blocks at work may still be edited."""

    @property
    def phase(self) -> Phase:
        """What the next pass is for."""
        if self.canvas.has_masks:
            return "unmask"
        return "edit" if self.edits_left else "commit"

    @property
    def past(self) -> tuple[KeyValues, ...]:
        """What the next pass attends to besides the live window."""
        if self.slot is None:
            return () if self.surroundings is None else (self.surroundings,)
        return (self.slot.key_values, *self.tail.past)


OnStep = Callable[[Canvas], None]


@torch.no_grad()
def read_context(model: Model, canvas: Canvas, reuse: Reuse | None = None) -> tuple[ContextSlot, int]:
    """Read the context, but for what `reuse` holds of it (a prefix cache). Returns the slot and the tokens computed."""
    tokens, slot = canvas.context, reuse.slot if reuse else None
    n_held = reuse.n_tokens if reuse else 0
    if slot is not None and n_held == len(tokens) == len(slot.tokens):
        return slot, 0
    n_held = min(n_held, len(tokens) - 1)  # the last token's hidden state is needed
    past = (slot.key_values.head(n_held),) if slot is not None and n_held else ()
    new = Pass(tokens[n_held:], list(range(n_held, len(tokens))), past, True, [])
    found = forward(model, [new])
    key_values = join([*past, found.key_values(0)])
    return ContextSlot(tokens, canvas.parts, key_values, found.hidden[-1]), len(new.tokens)


@torch.no_grad()
def start_row(model: Model, canvas: Canvas, sampling: Sampling, slot: ContextSlot | None) -> Row:
    """A row that is ready for its first step."""
    row = Row(canvas, sampling, slot, drafter=drafter_for(sampling.how.drafter, canvas))
    if slot is not None and not canvas.spans[0].anchor:
        span = canvas.spans[0]
        span.carry = forbid(model.network.logits(slot.last_hidden), model.is_forbidden)
        span.carry = begun(canvas, span.carry[None], torch.tensor([True]))[0]
        if sampling.is_checked:
            logits = without_end(span, torch.arange(1), span.carry[None], canvas)
            logits = without_nothing(span, torch.arange(1), logits, canvas)
            _choose_next(canvas, span, *_weighed(int(_own_choice(row, span, logits, [])), span.carry, canvas))
    return row


def denoise(model: Model, rows: Sequence[Row], on_step: OnStep | None = None) -> None:
    """Fill every span of every row."""
    while not all(row.canvas.is_finished for row in rows):
        denoise_step(model, rows, on_step)


@torch.no_grad()
def denoise_step(model: Model, rows: Sequence[Row], on_step: OnStep | None = None) -> None:
    """One pass over the live blocks of all unfinished rows; each then unmasks, edits or commits.

    `on_step` sees every row's canvas afterwards; it must copy what it keeps.
    """
    rows = [row for row in rows if not row.canvas.is_finished]
    if not rows:  # as where the step in which they ended failed in another request's row
        return
    for row in rows:
        _open_blocks(model, row)
    passes = [_live_pass(model.profile, row) for row in rows]
    with model.network.threads(sum(len(one.tokens) for one in passes)):
        found = forward(model, passes)
        parts = read_logits(model, found.hidden, passes)
    for i, (row, logits) in enumerate(zip(rows, parts, strict=True)):
        row.n_forwards += 1
        if row.phase == "commit":
            _commit(model, row, logits, partial(found.key_values, i))
        else:
            _decide(model, row, logits)
        _follow(row)
        if on_step is not None:
            on_step(row.canvas)


def stop(row: Row, finish: Finish) -> None:
    """End the row now: what is decided stays; the rest, and drafts that nothing has checked, is dropped.

    Of old code nothing is dropped: what was not judged stays as it was.
    """
    for span in row.canvas.spans:
        if span.block is not None:
            if span.block.old_end is not None:
                span.block.drop_undecided(row.canvas.stop_ids)
            n = span.block.n_anchor if row.sampling.is_checked else span.block.settled()
            _close(row.canvas, span, n, _log(span.block.confidence[span.block.n_anchor : n]))
        span.finish = span.finish or finish
    _follow(row)


def _follow(row: Row) -> None:
    if row.stopping is not None:
        row.stopping.follow(row.canvas.spans[0], row.canvas.stop_ids)


def _open_blocks(model: Model, row: Row) -> None:
    """See that every unfinished span has a block, and that the surroundings are fresh where they have to be."""
    profile, closed = model.profile, [s for s in row.canvas.spans if s.finish is None and s.block is None]
    for span in closed:
        size = row.drafter.open(row.canvas, span, row.sampling.block_size)
        span.open_block(size, profile.mask_id, row.sampling.old_code_size)
        row.edits_left = row.sampling.n_edit_steps
    if closed or profile.cache == "none":
        row.surroundings = None
    if row.slot is None and row.surroundings is None:
        _refresh(model, row)


def _refresh(model: Model, row: Row) -> None:
    """Read the whole row in place and keep the keys and values of what lies outside the live window."""
    tokens = row.canvas.in_place(model.profile.mask_id)
    row.leads = dict(enumerate(tokens))
    window = set(_window(model.profile, row))
    found = forward(model, [Pass(tokens, list(range(len(tokens))), (), False, [])])
    outside = [p for p in range(len(tokens)) if p not in window]
    key_values = found.key_values(0)
    row.surroundings = key_values.take(torch.tensor(outside, dtype=torch.long, device=key_values.keys.device))
    row.n_forwards += 1


def _window(profile: FamilyProfile, row: Row) -> dict[int, int]:
    """Position → token of the live window, in row order."""
    window: dict[int, int] = {}
    for block in _blocks(row.canvas):
        for position in range(block.start + profile.live_start_offset, block.start):
            window.setdefault(position, row.leads[position])
        window.update(enumerate(block.tokens.tolist(), start=block.start))
    return window


def _live_pass(profile: FamilyProfile, row: Row) -> Pass:
    """Both ways and at what is asked about, or causally and at every token when the blocks are to be committed."""
    window = _window(profile, row)
    tokens, positions = list(window.values()), list(window)
    if row.phase == "commit":
        commit = Pass(tokens, positions, row.past, True, list(range(len(tokens))))
        sizes = row.drafter.group_sizes(row.canvas.open_spans[0], row.sampling.block_size)
        return with_drafts(profile, commit, sizes) if sizes else commit
    index = {position: i for i, position in enumerate(window)}
    wanted = [
        index[block.start + i - profile.logit_shift]
        for block in _blocks(row.canvas)
        for i in _asked(block, row.phase).tolist()[_n_carried(profile, block, row.phase) :]
    ]
    if profile.live_marker_id is not None:
        tokens.append(profile.live_marker_id)
        positions.append(positions[0])
    return Pass(tokens, positions, row.past, False, wanted, profile.edit_ids if row.edits_left else ())


def _asked(block: Block, phase: Phase) -> Tensor:
    """Indices of the tokens that a pass asks about: the masks, or to edit every token that was not given."""
    return (block.is_masked if phase == "unmask" else ~block.is_locked).nonzero()[:, 0]


def _n_carried(profile: FamilyProfile, block: Block, phase: Phase) -> int:
    """1 where the block's first token is asked about and was read at the position before it, with the last commit."""
    if profile.logit_shift == 0 or profile.live_start_offset != 0:
        return 0
    return int((_asked(block, phase) == 0).sum())


def _decide(model: Model, row: Row, logits: Tensor) -> None:
    """Unmask or edit every block, by the logits (all that was asked about, V)."""
    phase, spans, n_said, n_resized = row.phase, row.canvas.open_spans, 0, 0
    asked = [_asked(_block(span), phase) for span in spans]
    carried = [_n_carried(model.profile, _block(span), phase) for span in spans]
    sizes = [len(where) - n for where, n in zip(asked, carried, strict=True)]
    said = list[tuple[Span, list[tuple[int, int, float]]]]()
    for span, where, part, n in zip(spans, asked, torch.split(logits, sizes), carried, strict=True):
        if len(where):
            if n and span.carry is not None:
                part = torch.cat([span.carry[None], part])
            said.append((span, _answers(span, where, part, row)))
    for span, answers in said:  # no sooner: a step that runs out of memory must have changed nothing
        n_said += len(answers)
        n_resized += sum(answer in model.profile.edit_ids for _, answer, _ in answers)
        span.amend(answers, model.profile)
        _cut_at_end(row.canvas, _block(span))
    if phase == "edit" and not n_said:
        row.edits_left = 0
    elif phase == "edit" or n_resized:
        row.edits_left -= 1
    if not model.profile.commit_pass and row.phase == "commit":
        for span in spans:
            _close(row.canvas, span, len(_block(span)), _log(_block(span).confidence))


def _answers(span: Span, where: Tensor, logits: Tensor, row: Row) -> list[tuple[int, int, float]]:
    """What becomes of which tokens: (index in the block, answer, probability)."""
    logits = without_end(span, where, logits, row.canvas)
    places = where - _block(span).n_anchor + len(span.tokens)
    logits = without_nothing(span, places, logits, row.canvas)
    logits = begun(row.canvas, logits, places == 0)
    if row.phase == "unmask":
        proposal, taken = unmask(logits, row.sampling)
        if span.old is not None:
            taken |= span.agreeing(where, proposal.tokens.tolist()).to(taken.device)
    else:
        written = _block(span).tokens[where]
        proposal, taken = judge(logits, written, row.sampling)
        if span.old_code is not None:
            _block(span).doubts = doubts(proposal, written)
    indices = where[taken.cpu()].tolist()
    return list(zip(indices, proposal.tokens[taken].tolist(), proposal.probability[taken].tolist(), strict=True))


def _cut_at_end(canvas: Canvas, block: Block) -> None:
    tokens = block.tokens.tolist()
    end = next((i for i in range(block.n_anchor, len(tokens)) if tokens[i] in canvas.stop_ids), None)
    if end is not None:
        block.keep(slice(end + 1))


def _commit(model: Model, row: Row, logits: Tensor, key_values: Callable[[], KeyValues]) -> None:
    """Freeze the blocks: all of them, or under a checked policy what the causal reading agrees with.

    Whatever may run out of memory comes before the first change, so that a step that failed can be made again.
    """
    spans = row.canvas.open_spans
    sizes = row.drafter.group_sizes(spans[0], row.sampling.block_size)
    logits, drafted = logits[: len(logits) - sum(sizes)], logits[len(logits) - sum(sizes) :]

    # 1) Judge: block by block, up to the first that loses a token, which what follows has read
    readings: list[_Reading] = []
    kept: list[int] = []
    offset = 0
    for span, part in zip(spans, torch.split(logits, [len(_block(span)) for span in spans]), strict=True):
        reading = _reading(row, span, part)
        readings.append(reading)
        kept += range(offset, offset + reading.n_kept)
        offset += len(part)
        if reading.n_kept < len(part):
            break
    draft = until_end(row.canvas, _drafted(torch.split(drafted, sizes)[len(kept) - 1])) if sizes else []

    # 2) Keep the keys and values, which takes memory
    row.tail.append(key_values().take(torch.tensor(kept, device=logits.device)))

    # 3) Write
    for span, reading in zip(spans, readings, strict=False):
        _keep(row, span, reading)
    for span in spans[len(readings) :]:
        _block(span).mask_again(model.profile.mask_id)
    if sizes and not row.canvas.is_finished:
        spans[0].draft = draft


def _drafted(logits: Tensor) -> list[int]:
    """A draft of what comes behind the next token, which is chosen already, by its group's masks' logits (m, V)."""
    found: list[int] = logits[1:].argmax(-1).tolist()
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """What the causal reading says of a span's block; nothing is changed by it."""

    n_kept: int
    """Leading tokens of the block that stay."""
    log_probs: list[float]
    """Of the text tokens among them."""
    carry: Tensor
    """Logits (V,) of what comes behind them."""
    own: tuple[int, float] | None
    """Under a checked policy the reading's own next token, and its log-probability."""


def _reading(row: Row, span: Span, logits: Tensor) -> _Reading:
    """Read one span's block by its causal logits (n, V)."""
    block = _block(span)
    n, own = len(block), None
    if row.sampling.is_checked:
        logits_on = without_end(span, torch.arange(n), logits, row.canvas)
        places = torch.arange(1, n + 1) - block.n_anchor + len(span.tokens)
        logits_on = without_nothing(span, places, logits_on, row.canvas)
        chosen = _own_choice(row, span, logits_on, block.tokens[1:].tolist()).cpu()
        n = agreeing(block.tokens, chosen, block.is_locked)
        own = _weighed(int(chosen[n - 1]), logits[n - 1], row.canvas)
    log_probs = _read(block, span.carry, logits)[: n - block.n_anchor]
    return _Reading(n, log_probs, logits[n - 1], own)


def _keep(row: Row, span: Span, reading: _Reading) -> None:
    """Commit what the reading keeps of the span's block."""
    span.carry = reading.carry
    _close(row.canvas, span, reading.n_kept, reading.log_probs)
    if reading.own is not None and span.finish is None:
        _choose_next(row.canvas, span, *reading.own)


def _own_choice(row: Row, span: Span, logits: Tensor, following: list[int]) -> Tensor:
    """The causal reading's own tokens (n,) by its logits (n, V), where `following` n - 1 tokens and old code stand."""
    own = pick(logits, row.sampling)
    if span.old_code is None or row.sampling.edit_threshold is None:
        return own
    end = span.old_code.at if span.block is None else span.block.old_end
    if end is None:  # a block of masks: there is no old code to hold on to
        return own
    return prefer(own, logits, [*following, *span.old_code.tokens[end : end + 1]], row.sampling.edit_threshold)


def _read(block: Block, carry: Tensor | None, logits: Tensor) -> list[float]:
    """Log-probability of each text token of the block, given everything before it."""
    before = logits[block.n_anchor - 1 : -1] if block.n_anchor else logits[:-1]
    if not block.n_anchor:
        assert carry is not None
        before = torch.cat([carry[None], before])
    tokens = block.tokens[block.n_anchor :].to(logits.device)
    found: list[float] = before.log_softmax(-1).gather(-1, tokens[:, None])[:, 0].tolist()
    return found


def _weighed(token: int, carry: Tensor, canvas: Canvas) -> tuple[int, float]:
    """A token and its log-probability by `carry` (V,), which is asked for of an end alone: blocks speak of the rest."""
    return token, float(carry.log_softmax(-1)[token]) if token in canvas.stop_ids else 0.0


def _choose_next(canvas: Canvas, span: Span, token: int, log_prob: float) -> None:
    """Take the causal reading's own token: the first of the next block, or the end; a locked token comes first."""
    if span.old_code is not None and span.old_code.must_come:
        return
    span.next_token = token
    if token in canvas.stop_ids:
        span.tokens.append(token)
        span.log_probs.append(log_prob)
        span.finish = "end"


def _close(canvas: Canvas, span: Span, n: int, log_probs: list[float]) -> None:
    span.close_block(n, log_probs, canvas.stop_ids)
    if canvas.is_fixed and span.finish == "length":
        span.finish = "end"  # the length was chosen beforehand: nothing was cut off


def _blocks(canvas: Canvas) -> list[Block]:
    return [_block(span) for span in canvas.open_spans]


def _block(span: Span) -> Block:
    assert span.block is not None
    return span.block


def _log(confidence: Tensor) -> list[float]:
    return [math.log(max(p, 1e-30)) for p in confidence.tolist()]
