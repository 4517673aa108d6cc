"""The canvas of one row: the tokens of its context and the live spans that are filled block by block.

Everything here lives on the CPU, in lists and small tensors; keys and values are kept elsewhere.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise

from sampler.decoding.old_code import OldCode
from sampler.decoding.span import Span
from sampler.model import layout
from sampler.model.chat import chat_edit
from sampler.model.families import FamilyProfile
from sampler.model.layout import HOLE_STRIDE, Context
from sampler.model.tokenizer import Tokenizer
from sampler.protocol.messages import BadMessage, Edit, InfillRequest, Snippet
from sampler.text.letters import Letters


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
    letters: Letters | None = None
    """Of an edit: those that stay as they are."""
    locked: tuple[str, ...] = ()
    """Of an edit in place: the text before, between and behind the spans that belongs to the selection."""
    one_line: bool = False
    wants_text: bool = False
    """Whether a span may not end before it says anything."""
    begins: str = ""
    """What the first token begins with: the text of the prefix' last token, taken back, since a cursor cuts tokens."""
    first_ids: tuple[int, ...] = ()
    """The tokens that begin so, where there is something to begin with: the one that was taken back is the first."""
    is_between_lines: bool = False
    """Whether the span's text is whole lines: what is written ends with a newline that the model was not asked for."""

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

    def fills(self, tokenizer: Tokenizer, mask_id: int) -> tuple[str, ...]:
        """The text of each span so far; of an edit that has several spans, of all of it."""
        if self.letters is not None:
            return (self.letters.kept(self._rewritten(tokenizer, mask_id)),)
        return tuple(self.fill(span, tokenizer, mask_id) for span in self.spans)

    def _rewritten(self, tokenizer: Tokenizer, mask_id: int) -> str:
        """The new code of an edit so far, as the model spells it."""
        texts = [tokenizer.decode_escaped(span.text_tokens(mask_id)) for span in self.spans]
        return "".join(chain.from_iterable(zip(self.locked or ("", ""), (*texts, ""), strict=True)))

    def n_tokens(self, span: Span, tokenizer: Tokenizer) -> int:
        """How many tokens a span got, the end included; one that only says again what the prefix had is none."""
        return len(span.tokens) - (bool(self.begins) and tokenizer.decode(span.tokens[:1]) == self.begins)

    def fill(self, span: Span, tokenizer: Tokenizer, mask_id: int) -> str:
        """The text of a span so far, without its end."""
        text = tokenizer.decode(span.text_tokens(mask_id))
        text = text[len(self.begins) :] if text.startswith(self.begins) else ""
        if self.is_between_lines and span.finish == "end" and text and not text.endswith("\n"):
            return text + "\n"
        return text.split("\n", 1)[0].removesuffix("\r") if self.one_line else text


def canvases(request: InfillRequest, tokenizer: Tokenizer, profile: FamilyProfile, max_positions: int) -> list[Canvas]:
    """The canvases of a request: one, or one a length where the family fixes lengths beforehand.

    Raises BadMessage with one sentence where the request does not fit into `max_positions`.
    """
    stop_ids = frozenset({profile.end_id}) | (tokenizer.newline_ids if request.one_line else frozenset())
    if profile.layout == "in-place" and request.edit is not None:
        return _edits_in_place(request, request.edit, tokenizer, profile, max_positions)
    if profile.layout == "in-place":
        return [
            _in_place(request, tokenizer, profile, length, stop_ids, max_positions)
            for length in _lengths(request, profile)
        ]
    if request.edit is not None:
        return [_edit(request, request.edit, tokenizer, profile.end_id, max_positions)]
    is_between_lines = _is_between_lines(request)
    if is_between_lines:
        request = replace(request, pieces=(request.pieces[0], "\n" + request.pieces[1]))
    pieces, begins = _healed(request, tokenizer)
    context = _context(request, pieces, tokenizer, max_positions)
    canvas = from_context(context, request.max_tokens, stop_ids, one_line=request.one_line)
    first_ids = tuple(tokenizer.starting_with(begins.encode())) if begins else ()
    return [
        replace(
            canvas,
            wants_text=request.wants_text,
            begins=begins,
            first_ids=first_ids,
            is_between_lines=is_between_lines,
        )
    ]


def _is_between_lines(request: InfillRequest) -> bool:
    """Whether the one span stands where a line begins that is there already, so that its text is to be whole lines.

    Models know the end of a line as what comes before a newline: so one is put before the line that comes next.
    """
    before, *inner, after = request.pieces
    is_line_start = before.endswith("\n") or not before
    return not inner and is_line_start and bool(after.partition("\n")[0].strip()) and not request.one_line


def _healed(request: InfillRequest, tokenizer: Tokenizer) -> tuple[list[list[int]], str]:
    """The pieces' tokens, the prefix without its last one, and the text of that one; all of them where it stays.

    A cursor cuts the tokens that a whole text would have been. So the last one is chosen anew, among those that go on
    from it: the model knows whole tokens better than halves. It stays where it begins a line, and where it is no text
    by itself.
    """
    pieces = tokenizer.encode_batch(list(request.pieces))
    if len(pieces) != 2 or not pieces[0] or request.max_tokens == 1:
        return pieces, ""
    begins = tokenizer.decode(pieces[0][-1:])
    if "\n" in begins or not begins:
        return pieces, ""
    return [pieces[0][:-1], pieces[1]], begins


def from_context(context: Context, limit: int, stop_ids: frozenset[int], *, one_line: bool = False) -> Canvas:
    """The canvas of a row in a suffix-first layout, each span of at most `limit` tokens."""
    limit = limit if len(context.anchors) == 1 else min(limit, HOLE_STRIDE - 1)
    spans = [
        Span(start=start, limit=limit, anchor=anchor)
        for start, anchor in zip(context.starts, context.anchors, strict=True)
    ]
    return Canvas(context.tokens, context.parts, spans, stop_ids, one_line=one_line)


def _edit(request: InfillRequest, edit: Edit, tokenizer: Tokenizer, end_id: int, max_positions: int) -> Canvas:
    """The canvas of an edit: the selection in the context, and where it is the start, as old code too."""
    prefix, suffix, selection = tokenizer.encode_batch([*request.pieces, edit.selection])
    old = _old_code(edit, tokenizer, end_id)
    limit = len(old.tokens) + request.max_tokens
    budget = max_positions - limit - len(selection) - 6  # reserved tokens between the parts
    if budget < max_positions // 8:
        raise BadMessage("The selection is too long for this model: select less of it.")
    head = _header(request, tokenizer, budget // 2)
    prefix, suffix = cut_pieces([prefix, suffix], budget - len(head), tokenizer.newline_ids)
    context = layout.suffix_first(tokenizer, head, prefix, suffix, selection)
    canvas = from_context(context, limit, frozenset({end_id}))
    canvas.spans[0].old_code = old if edit.start == "selection" else None
    canvas.letters = Letters(edit.selection, request.instruction)
    return canvas


def _old_code(edit: Edit, tokenizer: Tokenizer, end_id: int) -> OldCode:
    """The old code token by token, cut at the edges of locks so that none locks more than it should.

    Where the last characters are locked the end is too: nothing comes between them.
    """
    edges = [0, *(edge for lock in edit.locks for edge in lock), len(edit.selection)]
    old = OldCode([], [])
    for i, tokens in enumerate(tokenizer.encode_batch([edit.selection[a:b] for a, b in pairwise(edges)])):
        old.tokens += tokens
        old.is_locked += [i % 2 == 1] * len(tokens)
    return OldCode([*old.tokens, end_id], [*old.is_locked, any(a < b == len(edit.selection) for a, b in edit.locks)])


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


def _edits_in_place(
    request: InfillRequest, edit: Edit, tokenizer: Tokenizer, profile: FamilyProfile, max_positions: int
) -> list[Canvas]:
    """The canvases of an edit asked for in a chat, one a length; what is not locked is a span.

    Where the old code is the start, a span knows it: what the model writes there too is taken at once.
    """
    edges = [0, *(edge for lock in edit.locks for edge in lock), len(edit.selection)]
    locked, free = _free_stretches([edit.selection[a:b] for a, b in pairwise(edges)])
    old = tokenizer.encode_batch(free)
    changes = [change for change in profile.length_changes if change <= request.max_tokens]
    pieces = tokenizer.encode_batch(list(locked))
    head, tail = _chat(request, edit, tokenizer, profile, max_positions - len(old) * max(changes))
    pieces[0], pieces[-1] = head + pieces[0], pieces[-1] + tail
    context = [token for piece in pieces for token in piece]
    parts, stop_ids = [("document", len(context))], frozenset({profile.end_id})
    draft = old if edit.start == "selection" else [None] * len(old)
    found = []
    for lengths in sorted({tuple(max(len(tokens) + change, 1) for tokens in old) for change in changes}):
        spans = [Span(start=0, limit=n, old=tokens) for n, tokens in zip(lengths, draft, strict=True)]
        letters = Letters(edit.selection, request.instruction)
        found.append(Canvas(context, parts, spans, stop_ids, pieces, letters, locked))
    return found


def _chat(
    request: InfillRequest, edit: Edit, tokenizer: Tokenizer, profile: FamilyProfile, max_positions: int
) -> tuple[list[int], list[int]]:
    """What stands before and behind the selection in the answer to a person who asks for an edit."""
    if profile.chat is None:
        raise BadMessage("This model only fills gaps: choose one that edits.")
    prefix, suffix, selection = tokenizer.encode_batch([*request.pieces, edit.selection])
    asked = chat_edit(
        tokenizer,
        profile.chat,
        instruction=request.instruction,
        selection=edit.selection,
        language=request.language,
        path=request.path,
    )
    budget = max_positions - asked.n_fixed - 2 * len(selection)
    if budget < max_positions // 8:
        raise BadMessage("The selection is too long for this model: select less of it.")
    prefix, suffix = cut_pieces([prefix, suffix], budget // 2, tokenizer.newline_ids)
    return asked.head(prefix, selection, suffix), asked.tail(suffix)


def _free_stretches(stretches: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """Of stretches that are free and locked in turn: the locked text around the free stretches, and those with text."""
    locked, free = [""], list[str]()
    for i, text in enumerate(stretches):
        if i % 2 or not text:
            locked[-1] += text
        else:
            free.append(text)
            locked.append("")
    if not free:
        raise BadMessage("All of the selection is to stay as it is, so there is nothing to rewrite.")
    return tuple(locked), free


def _context(request: InfillRequest, tokens: list[list[int]], tokenizer: Tokenizer, max_positions: int) -> Context:
    """The context of the suffix-first layouts with the pieces' `tokens`, cut to what the positions leave room for."""
    n_holes = len(request.pieces) - 1
    n_live = request.max_tokens if n_holes == 1 else n_holes * HOLE_STRIDE
    budget = max_positions - n_live - n_holes - 4  # reserved tokens between the parts
    if budget <= 0:
        raise BadMessage(f"The model reads {max_positions} tokens at once, which this request's spans use up.")
    head = _header(request, tokenizer, budget // 2)
    pieces = cut_pieces(tokens, budget - len(head), tokenizer.newline_ids)
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
