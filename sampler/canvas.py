"""The canvas of one row: the tokens of its context and the live spans that are filled block by block.

Everything here lives on the CPU, in lists and small tensors; keys and values are kept elsewhere.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from sampler import layout
from sampler.families import FamilyProfile
from sampler.layout import HOLE_STRIDE, Context
from sampler.messages import BadMessage, Finish, InfillRequest, Snippet
from sampler.tokenizer import Tokenizer


@dataclass(slots=True, eq=False)
class Block:
    """The slice of a span that is denoised together.

    `tokens`, `is_masked` and `confidence` (probability when unmasked) are (n,). The first `n_locked` tokens were
    given and never change; of these the first `n_anchor` are no text.
    """

    start: int
    """Position of the first token."""
    tokens: Tensor
    is_masked: Tensor
    confidence: Tensor
    n_locked: int = 0
    n_anchor: int = 0

    def __len__(self) -> int:
        return len(self.tokens)

    def cut(self, n: int) -> None:
        """Keep the first n tokens."""
        self.tokens, self.is_masked, self.confidence = self.tokens[:n], self.is_masked[:n], self.confidence[:n]

    def decide(self, i: int, token: int, probability: float) -> None:
        """Write a token."""
        self.tokens[i], self.confidence[i], self.is_masked[i] = token, probability, False

    def expand(self, i: int, mask_id: int) -> None:
        """Put a mask before token i; what stands behind moves on by one position."""
        self._splice(i, i, torch.tensor([mask_id]), torch.tensor([True]), torch.ones(1))

    def delete(self, i: int) -> None:
        """Drop token i, masked or not."""
        self._splice(i, i + 1, self.tokens[:0], self.is_masked[:0], self.confidence[:0])

    def _splice(self, start: int, end: int, tokens: Tensor, is_masked: Tensor, confidence: Tensor) -> None:
        self.tokens = torch.cat([self.tokens[:start], tokens, self.tokens[end:]])
        self.is_masked = torch.cat([self.is_masked[:start], is_masked, self.is_masked[end:]])
        self.confidence = torch.cat([self.confidence[:start], confidence, self.confidence[end:]])

    def mask_again(self, mask_id: int) -> None:
        """Back to masks, locked tokens apart."""
        self.tokens[self.n_locked :] = mask_id
        self.is_masked[self.n_locked :] = True

    def settled(self) -> int:
        """How many of the leading tokens are decided."""
        masked = self.is_masked.nonzero()
        return len(self) if len(masked) == 0 else int(masked[0])


@dataclass(slots=True, eq=False)
class Span:
    """A region to fill: what is committed, the block at work, and how it ended.

    `tokens` are committed text tokens, the end token last where the model wrote one; `log_probs` speak of each.
    """

    start: int
    """Position of the first token: the anchor, once that is committed the first text token."""
    limit: int
    """Most text tokens it may get."""
    anchor: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    block: Block | None = None
    finish: Finish | None = None
    next_token: int | None = None
    """The first token of the next block where the causal reading has already chosen it."""
    carry: Tensor | None = None
    """Causal logits (V,) of the span's next token, from the last commit or the context."""

    def open_block(self, size: int, mask_id: int) -> Block:
        """Begin a block of at most `size` text tokens: the anchor or the chosen token, then masks."""
        given = [] if self.next_token is None else [self.next_token]
        n_masks = max(min(size, self.limit - len(self.tokens)) - len(given), 0)
        locked = [*self.anchor, *given]
        is_masked = torch.tensor([False] * len(locked) + [True] * n_masks)
        self.block = Block(
            start=self.start + len(self.tokens),
            tokens=torch.tensor([*locked, *[mask_id] * n_masks], dtype=torch.long),
            is_masked=is_masked,
            confidence=torch.ones(len(is_masked)),
            n_locked=len(locked),
            n_anchor=len(self.anchor),
        )
        return self.block

    def close_block(self, n: int, log_probs: Sequence[float], stop_ids: Collection[int]) -> None:
        """Commit the first n tokens of the block; `log_probs` speak of the text tokens among them."""
        assert self.block is not None
        text = self.block.tokens[self.block.n_anchor : n].tolist()
        self.tokens += text
        self.log_probs += log_probs
        self.start += self.block.n_anchor
        self.anchor, self.block, self.next_token = [], None, None
        if text and text[-1] in stop_ids:
            self.finish = "end"
        elif len(self.tokens) >= self.limit:
            self.finish = "length"

    def amend(self, answers: Sequence[tuple[int, int, float]], profile: FamilyProfile) -> None:
        """Do to the block what the model said of its tokens, each (index, answer, probability), in rising order.

        `<delete>` drops the token, `<expand>` puts one MASK before it and leaves it as it is, anything else stands in
        its place: one rule for masks and visible tokens. What would leave the block without a token of its own, or
        the span with more than its limit, is left undone.
        """
        assert self.block is not None
        for i, answer, probability in reversed(answers):
            if answer == profile.delete_id:
                if len(self.block) > self.block.n_locked + 1:
                    self.block.delete(i)
            elif answer == profile.expand_id:
                if len(self.tokens) + len(self.block) - self.block.n_anchor < self.limit:
                    self.block.expand(i, profile.mask_id)
            else:
                self.block.decide(i, answer, probability)

    def text_tokens(self, mask_id: int) -> list[int]:
        """Committed and unmasked tokens in order, masks left out."""
        live = [] if self.block is None else self.block.tokens[self.block.n_anchor :].tolist()
        return self.tokens + [token for token in live if token != mask_id]


@dataclass(slots=True, eq=False)
class Canvas:
    """A row: context and spans.

    Suffix first, `context` stands before every span. In place, the spans lie between `pieces`; the context is then
    whatever is not live, and changes with it.
    """

    context: list[int]
    parts: list[tuple[str, int]]
    spans: list[Span]
    stop_ids: frozenset[int]
    pieces: list[list[int]] = field(default_factory=list)
    one_line: bool = False

    @property
    def is_fixed(self) -> bool:
        """Whether the spans' lengths were chosen beforehand."""
        return bool(self.pieces)

    @property
    def is_finished(self) -> bool:
        """Whether every span has ended."""
        return all(span.finish for span in self.spans)

    @property
    def open_spans(self) -> list[Span]:
        """Spans with a block at work, in row order."""
        return [span for span in self.spans if span.block is not None]

    @property
    def has_masks(self) -> bool:
        """Whether a live position is still masked."""
        return any(bool(span.block.is_masked.any()) for span in self.spans if span.block is not None)

    def copy(self) -> Canvas:
        """A canvas that changes on its own: another candidate, or a state to remember."""
        return replace(self, spans=copy.deepcopy(self.spans))

    def in_place(self, mask_id: int) -> list[int]:
        """The whole row in place, masks where nothing is decided; moves spans and blocks to where they stand."""
        row: list[int] = []
        for piece, span in zip(self.pieces, self.spans, strict=False):
            row += piece
            span.start = len(row)
            row += [token for token in span.tokens if token not in self.stop_ids]
            live = [] if span.block is None else span.block.tokens.tolist()
            if span.block is not None:
                span.block.start = len(row)
            row += live
            if span.finish is None:
                row += [mask_id] * (span.limit - len(span.tokens) - len(live))
        return row + self.pieces[-1]

    def fill(self, span: Span, tokenizer: Tokenizer, mask_id: int) -> str:
        """The text of a span so far, without its end."""
        text = tokenizer.decode(span.text_tokens(mask_id))
        return text.split("\n", 1)[0].removesuffix("\r") if self.one_line else text


def canvases(request: InfillRequest, tokenizer: Tokenizer, profile: FamilyProfile, max_positions: int) -> list[Canvas]:
    """The canvases of a request: one, or one a length where the family fixes lengths beforehand.

    Raises BadMessage with one sentence where the request does not fit into `max_positions`.
    """
    stop_ids = frozenset({profile.end_id}) | (tokenizer.newline_ids if request.one_line else frozenset())
    if profile.layout == "in-place":
        return [
            _in_place(request, tokenizer, profile, length, stop_ids, max_positions)
            for length in _lengths(request, profile)
        ]
    context = _context(request, tokenizer, max_positions)
    return [from_context(context, request.max_tokens, stop_ids, one_line=request.one_line)]


def from_context(context: Context, limit: int, stop_ids: frozenset[int], *, one_line: bool = False) -> Canvas:
    """The canvas of a row in a suffix-first layout, each span of at most `limit` tokens."""
    limit = limit if len(context.anchors) == 1 else min(limit, HOLE_STRIDE - 1)
    spans = [
        Span(start=start, limit=limit, anchor=anchor)
        for start, anchor in zip(context.starts, context.anchors, strict=True)
    ]
    return Canvas(context.tokens, context.parts, spans, stop_ids, one_line=one_line)


def _lengths(request: InfillRequest, profile: FamilyProfile) -> list[int]:
    return sorted({*(n for n in profile.lengths if n < request.max_tokens), request.max_tokens})


def _in_place(
    request: InfillRequest,
    tokenizer: Tokenizer,
    profile: FamilyProfile,
    length: int,
    stop_ids: frozenset[int],
    max_positions: int,
) -> Canvas:
    pieces = tokenizer.encode_batch(list(request.pieces))
    n_live = length * (len(pieces) - 1)
    pieces = cut_pieces(pieces, max_positions - n_live - 2, tokenizer.newline_ids)
    begin = [] if profile.begin_id is None else [profile.begin_id]
    pieces[0], pieces[-1] = begin + pieces[0], pieces[-1] + [profile.end_id]
    spans = [Span(start=0, limit=length) for _ in pieces[1:]]
    context = [token for piece in pieces for token in piece]
    parts = [("document", len(context))]
    return Canvas(context, parts, spans, stop_ids, pieces, one_line=request.one_line)


def _context(request: InfillRequest, tokenizer: Tokenizer, max_positions: int) -> Context:
    """The context of the suffix-first layouts, cut to what the positions leave room for."""
    n_holes = len(request.pieces) - 1
    n_live = request.max_tokens if n_holes == 1 else n_holes * HOLE_STRIDE
    budget = max_positions - n_live - n_holes - 4  # reserved tokens between the parts
    if budget <= 0:
        raise BadMessage(f"The model reads {max_positions} tokens at once, which this request's spans use up.")
    head = _header(request, tokenizer, budget // 2)
    pieces = cut_pieces(tokenizer.encode_batch(list(request.pieces)), budget - len(head), tokenizer.newline_ids)
    if n_holes == 1:
        return layout.suffix_first(tokenizer, head, pieces[0], pieces[1])
    return layout.holes(tokenizer, head, pieces)


def _header(request: InfillRequest, tokenizer: Tokenizer, budget: int) -> list[int]:
    """The header with as many snippets as fit."""
    snippets: Sequence[Snippet] = request.snippets
    while True:
        head = layout.header(
            tokenizer,
            language=request.language,
            path=request.path,
            instruction=request.instruction,
            snippets=snippets,
        )
        if len(head) <= budget:
            return head
        if not snippets:
            raise BadMessage("The instruction or the file's name is too long for this model: shorten it.")
        snippets = snippets[:-1]


def cut_pieces(pieces: list[list[int]], budget: int, newline_ids: Collection[int]) -> list[list[int]]:
    """Cut the outer ends of a document so that its pieces hold at most `budget` tokens together.

    What comes after the last span gets at least a quarter, what comes before the first the rest. Raises BadMessage
    where the text between spans alone is too long.
    """
    first, *inner, last = pieces
    budget -= sum(map(len, inner))
    if budget < 0:
        raise BadMessage("The spans lie too far apart for this model: ask for fewer at once or lower max_tokens.")
    n_last = max(budget // 4, budget - len(first))
    last = cut_end(last, n_last, newline_ids)
    return [cut_start(first, budget - len(last), newline_ids), *inner, last]


def cut_start(tokens: list[int], budget: int, newline_ids: Collection[int]) -> list[int]:
    """The end of `tokens`, at most `budget`, from a line start where one is near.

    Its start is a step function of the length with steps of a quarter of the budget, so that what is cached
    survives typing.
    """
    if len(tokens) <= budget:
        return tokens
    step = max(budget // 4, 1)
    earliest = -(-(len(tokens) - budget) // step) * step
    near = range(earliest, min(earliest + step, len(tokens)))
    return tokens[next((i for i in near if tokens[i] in newline_ids), earliest) :]


def cut_end(tokens: list[int], budget: int, newline_ids: Collection[int]) -> list[int]:
    """The beginning of `tokens`, at most `budget`, to a line's end where there is one."""
    if len(tokens) <= budget:
        return tokens
    ends = (i for i in range(budget, 0, -1) if tokens[i] in newline_ids)
    return tokens[: next(ends, budget)]
