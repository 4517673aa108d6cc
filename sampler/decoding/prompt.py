"""A request as canvases, by the layout that a family reads: a class a layout.

Whatever the layout, a document that is too long is cut at its outer ends, and snippets go before it is starved.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sampler.decoding.canvas import Canvas, from_context
from sampler.decoding.old_code import OldCode
from sampler.decoding.span import Span
from sampler.model import layout
from sampler.model.chat import chat_edit
from sampler.model.families import FamilyProfile
from sampler.model.layout import HOLE_STRIDE, Context
from sampler.model.tokenizer import Tokenizer
from sampler.protocol.messages import BadMessage, Edit, InfillRequest, Snippet
from sampler.text.letters import Letters


def canvases(request: InfillRequest, tokenizer: Tokenizer, profile: FamilyProfile, max_positions: int) -> list[Canvas]:
    """The canvases of a request: one, or one a length where the family fixes lengths beforehand.

    Raises BadMessage with one sentence where the request does not fit into `max_positions`.
    """
    prompt = _layout(profile)(request, tokenizer, profile, max_positions)
    return prompt.fills() if request.edit is None else prompt.edits(request.edit)


def _layout(profile: FamilyProfile) -> type[SuffixFirst | InPlace]:
    if profile.layout == "in-place":
        return InPlace
    return SuffixFirst if profile.infill is None else HalfWritten


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A request, and the model that is to read it."""

    request: InfillRequest
    tokenizer: Tokenizer
    profile: FamilyProfile
    max_positions: int

    @property
    def _stop_ids(self) -> frozenset[int]:
        """What ends a span of a fill."""
        newlines = self.tokenizer.newline_ids if self.request.one_line else frozenset()
        return self.profile.end_ids | newlines


class SuffixFirst(_Prompt):
    """Suffix, prefix, and the live spans behind them; several holes behind the document with their sentinels."""

    __slots__ = ()

    def fills(self) -> list[Canvas]:
        """The one canvas of a request to fill."""
        request, is_between_lines = self.request, _is_between_lines(self.request)
        if is_between_lines:
            request = replace(request, pieces=(request.pieces[0], "\n" + request.pieces[1]))
        pieces, begins = _healed(request, self.tokenizer)
        context = self._context(pieces)
        canvas = from_context(context, request.max_tokens, self._stop_ids, one_line=request.one_line)
        first_ids = tuple(self.tokenizer.starting_with(begins.encode())) if begins else ()
        return [
            replace(
                canvas,
                wants_text=request.wants_text,
                begins=begins,
                first_ids=first_ids,
                is_between_lines=is_between_lines,
                is_at_line_end=len(pieces) == 2 and not self.request.pieces[1].partition("\n")[0].strip(),
            )
        ]

    def edits(self, edit: Edit) -> list[Canvas]:
        """The canvas of an edit: the selection in the context, and where it is the start, as old code too."""
        prefix, suffix, selection = self.tokenizer.encode_batch([*self.request.pieces, edit.selection])
        old = _old_code(edit, self.tokenizer, self.profile.end_id)
        limit = len(old.tokens) + self.request.max_tokens
        budget = self.max_positions - limit - len(selection) - 6  # reserved tokens between the parts
        if budget < self.max_positions // 8:
            raise BadMessage("The selection is too long for this model: select less of it.")
        head = _header(self.request, self.tokenizer, budget // 2)
        prefix, suffix = cut_pieces([prefix, suffix], budget - len(head), self.tokenizer.newline_ids)
        context = layout.suffix_first(self.tokenizer, head, prefix, suffix, selection)
        canvas = from_context(context, limit, frozenset({self.profile.end_id}))
        canvas.spans[0].old_code = old if edit.start == "selection" else None
        canvas.letters = Letters(edit.selection, self.request.instruction)
        return [canvas]

    def _context(self, tokens: list[list[int]]) -> Context:
        """The context with the pieces' `tokens`, cut to what the positions leave room for."""
        n_holes = len(self.request.pieces) - 1
        n_live = self.request.max_tokens if n_holes == 1 else n_holes * HOLE_STRIDE
        budget = self.max_positions - n_live - n_holes - 4  # reserved tokens between the parts
        if budget <= 0:
            raise BadMessage(f"The model reads {self.max_positions} tokens at once, which this request's spans use up.")
        head = _header(self.request, self.tokenizer, budget // 2)
        pieces = cut_pieces(tokens, budget - len(head), self.tokenizer.newline_ids)
        if n_holes == 1:
            return layout.suffix_first(self.tokenizer, head, pieces[0], pieces[1])
        return layout.holes(self.tokenizer, head, pieces)


class HalfWritten(SuffixFirst):
    """Suffix, then the prefix behind the middle token: plain language models that were taught to fill in."""

    __slots__ = ()

    def fills(self) -> list[Canvas]:
        """The one canvas of a request to fill one span."""
        if len(self.request.pieces) != 2:
            raise BadMessage("This model fills one hole at a time: ask for each by itself.")
        (canvas,) = super().fills()
        if not canvas.begins.strip():  # blanks, of which the next token may bring the last one along, as in " return"
            begun = [canvas.begins.encode()[:n] for n in range(1, len(canvas.begins))]
            shorter = (i for i, text in enumerate(self.tokenizer.token_bytes) if text in begun)
            canvas = replace(canvas, first_ids=(*canvas.first_ids, *shorter))
        return [canvas]

    def edits(self, edit: Edit) -> list[Canvas]:
        """None: it was not taught to."""
        raise BadMessage("This model only fills gaps: choose one that edits.")

    def _context(self, tokens: list[list[int]]) -> Context:
        assert self.profile.infill is not None
        budget = self.max_positions - self.request.max_tokens - 8
        head = self._files(budget // 2)
        prefix, suffix = cut_pieces(tokens, budget - len(head), self.tokenizer.newline_ids)
        return layout.half_written(self.profile.infill, head, prefix, suffix)

    def _files(self, budget: int) -> list[int]:
        """Other files before this one, in the model's repository format, as many as fit; nothing without any."""
        tokens, snippets = self.profile.infill, list(self.request.snippets)
        assert tokens is not None
        while snippets:
            texts = [f"{one.path}\n{one.text}\n" for one in snippets] + [f"{self.request.path}\n"]
            files = [[tokens.file, *ids] for ids in self.tokenizer.encode_batch(texts)]
            head = [tokens.repository, *self.tokenizer.encode("project\n"), *(id_ for file in files for id_ in file)]
            if len(head) <= budget:
                return head
            snippets.pop()
        return []


class InPlace(_Prompt):
    """The document with masks where its spans are, one canvas a length."""

    __slots__ = ()

    def fills(self) -> list[Canvas]:
        """One canvas a length up to the wanted one."""
        n, lengths = self.request.max_tokens, self.profile.lengths
        return [self._fill(length) for length in sorted({*(one for one in lengths if one < n), n})]

    def _fill(self, length: int) -> Canvas:
        pieces = self.tokenizer.encode_batch(list(self.request.pieces))
        n_live = length * (len(pieces) - 1)
        pieces = cut_pieces(pieces, self.max_positions - n_live - 2, self.tokenizer.newline_ids)
        begin = [] if self.profile.begin_id is None else [self.profile.begin_id]
        pieces[0], pieces[-1] = begin + pieces[0], pieces[-1] + [self.profile.end_id]
        spans = [Span(start=0, limit=length) for _ in pieces[1:]]
        context = [token for piece in pieces for token in piece]
        parts = [("document", len(context))]
        return Canvas(context, parts, spans, self._stop_ids, pieces, one_line=self.request.one_line)

    def edits(self, edit: Edit) -> list[Canvas]:
        """The canvases of an edit asked for in a chat, one a length; what is not locked is a span.

        Where the old code is the start, a span knows it: what the model writes there too is taken at once.
        """
        locked, free = _free_stretches(_stretches(edit))
        old = self.tokenizer.encode_batch(free)
        changes = [change for change in self.profile.length_changes if change <= self.request.max_tokens]
        pieces = self.tokenizer.encode_batch(list(locked))
        head, tail = self._chat(edit, self.max_positions - len(old) * max(changes))
        pieces[0], pieces[-1] = head + pieces[0], pieces[-1] + tail
        context = [token for piece in pieces for token in piece]
        parts, stop_ids = [("document", len(context))], frozenset({self.profile.end_id})
        draft = old if edit.start == "selection" else [None] * len(old)
        found = []
        for lengths in sorted({tuple(max(len(tokens) + change, 1) for tokens in old) for change in changes}):
            spans = [Span(start=0, limit=n, old=tokens) for n, tokens in zip(lengths, draft, strict=True)]
            letters = Letters(edit.selection, self.request.instruction)
            found.append(Canvas(context, parts, spans, stop_ids, pieces, letters, locked))
        return found

    def _chat(self, edit: Edit, n_positions: int) -> tuple[list[int], list[int]]:
        """What stands before and behind the selection in the answer to a person who asks for an edit."""
        if self.profile.chat is None:
            raise BadMessage("This model only fills gaps: choose one that edits.")
        prefix, suffix, selection = self.tokenizer.encode_batch([*self.request.pieces, edit.selection])
        asked = chat_edit(
            self.tokenizer,
            self.profile.chat,
            instruction=self.request.instruction,
            selection=edit.selection,
            language=self.request.language,
            path=self.request.path,
        )
        budget = n_positions - asked.n_fixed - 2 * len(selection)
        if budget < n_positions // 8:
            raise BadMessage("The selection is too long for this model: select less of it.")
        prefix, suffix = cut_pieces([prefix, suffix], budget // 2, self.tokenizer.newline_ids)
        return asked.head(prefix, selection, suffix), asked.tail(suffix)


def _is_between_lines(request: InfillRequest) -> bool:
    """Whether the one span stands where a line begins that is there already, so that its text is to be whole lines.

    Models know the end of a line as what comes before a newline: so one is put before the line that comes next.
    """
    before, *inner, after = request.pieces
    is_line_start = before.endswith("\n") or not before
    return not inner and is_line_start and bool(after.partition("\n")[0].strip()) and not request.one_line


def _healed(request: InfillRequest, tokenizer: Tokenizer) -> tuple[list[list[int]], str]:
    """The pieces' tokens, the prefix without its last one, and the text of that one; all of them where it stays.

    Token healing: a cursor cuts the tokens that a whole text would have been. So the last one is chosen anew, among
    those that go on from it: the model knows whole tokens better than halves. It stays where it begins a line, and
    where it is no text by itself.
    """
    pieces = tokenizer.encode_batch(list(request.pieces))
    if len(pieces) != 2 or not pieces[0] or request.max_tokens == 1:
        return pieces, ""
    begins = tokenizer.decode(pieces[0][-1:])
    if "\n" in begins or not begins:
        return pieces, ""
    return [pieces[0][:-1], pieces[1]], begins


def _old_code(edit: Edit, tokenizer: Tokenizer, end_id: int) -> OldCode:
    """The old code token by token, cut at the edges of locks so that none locks more than it should.

    Where the last characters are locked the end is too: nothing comes between them.
    """
    old = OldCode([], [])
    for i, tokens in enumerate(tokenizer.encode_batch(_stretches(edit))):
        old.tokens += tokens
        old.is_locked += [i % 2 == 1] * len(tokens)
    return OldCode([*old.tokens, end_id], [*old.is_locked, any(a < b == len(edit.selection) for a, b in edit.locks)])


def _stretches(edit: Edit) -> list[str]:
    """The selection cut at the edges of locks: stretches that are free and locked in turn."""
    edges = [0, *(edge for lock in edit.locks for edge in lock), len(edit.selection)]
    return [edit.selection[a:b] for a, b in pairwise(edges)]


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
