"""The canvas of one row: the tokens of its context and the live spans that are filled block by block.

`prompt.py` makes it of a request. Everything here lives on the CPU, in lists and small tensors; keys and values are
kept elsewhere.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from itertools import chain

from sampler.decoding.span import Span
from sampler.model.layout import HOLE_STRIDE, Context
from sampler.model.tokenizer import Tokenizer
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
    is_at_line_end: bool = False
    """Whether nothing stands behind the span on its line: its text ends with one newline at most."""

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
        if self.is_at_line_end and span.finish == "end":
            text = _without_blank_lines(text)
        return text.split("\n", 1)[0].removesuffix("\r") if self.one_line else text


def _without_blank_lines(text: str) -> str:
    """`text` without the blank lines that it ends with; one that is nothing else stays."""
    said = text.rstrip()
    return f"{said}\n" if said and text.count("\n", len(said)) > 1 else text


def from_context(context: Context, limit: int, stop_ids: frozenset[int], *, one_line: bool = False) -> Canvas:
    """The canvas of a row in a suffix-first layout, each span of at most `limit` tokens."""
    limit = limit if len(context.anchors) == 1 else min(limit, HOLE_STRIDE - 1)
    spans = [
        Span(start=start, limit=limit, anchor=anchor)
        for start, anchor in zip(context.starts, context.anchors, strict=True)
    ]
    return Canvas(context.tokens, context.parts, spans, stop_ids, one_line=one_line)
