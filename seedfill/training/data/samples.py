"""From files to training rows: plain text, infill, several holes, repairs, in the layouts that sampling uses.

Everything is drawn from a generator seeded by (seed, step, row): a run that is killed and resumed sees the same rows.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate

from sampler.model import layout
from sampler.model.tokenizer import Tokenizer
from sampler.protocol.messages import Snippet
from sampler.text.windows import (
    EDIT_PREFIX_CHARACTERS,
    EDIT_SUFFIX_CHARACTERS,
    PREFIX_CHARACTERS,
    SUFFIX_CHARACTERS,
    prefix_window,
    suffix_window,
)
from seedfill.training.data.corpus import Document
from seedfill.training.data.instruct.pairs import draw_pair, instruction
from seedfill.training.data.instruct.wordings import foreign
from seedfill.training.data.old_code import DraftBlock, draft_blocks

REPAIR_WORDINGS = ("fix the code", "repair this", "fix it", "correct the code", "fix the bug")


@dataclass(frozen=True, slots=True)
class Sample:
    """One laid-out example: a context and the tokens of its spans, end tokens included."""

    context: list[int]
    spans: list[list[int]] = field(default_factory=list)
    anchors: list[list[int]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    drafts: list[DraftBlock] = field(default_factory=list)
    """Of an edit that starts from the old code: its live blocks."""

    def __len__(self) -> int:
        return len(self.context) + sum(map(len, self.spans)) + sum(map(len, self.anchors))


@dataclass(frozen=True, kw_only=True, slots=True)
class Mix:
    """Shares of the kinds of sample; they need not add up to 1."""

    plain: float = 0.35
    infill: float = 0.5
    holes: float = 0.1
    repair: float = 0.05
    instruct: float = 0.0
    """Edits that somebody asked for, made by undoing them in a file that has them."""
    kinds: tuple[str, ...] = ()
    """The kinds of these edits, see `instruct`; none named: all."""
    idle: float = 0.0
    """Share of them in which the old code is as it should be, so that nothing is to be done."""
    foreign: float = 0.0
    """Share of them in which an edit of none of `kinds` is asked for, so that nothing is done. Needs `kinds`."""
    drafts: float = 0.0
    """Share of repair and instruct samples whose live blocks start from the old code."""
    n_drafts: int = 1
    """Times that the old code of such a sample is shown, each time noised in another way."""
    snippets: float = 0.2
    """Share of infill, holes, repair and instruct samples with snippets of the same package."""


class SampleSource:
    """Draws samples from documents, each document as often as it is long."""

    def __init__(self, documents: list[Document], tokenizer: Tokenizer, mix: Mix | None = None) -> None:
        self.documents = documents
        self.tokenizer = tokenizer
        self.mix = mix or Mix()
        self.end = [tokenizer.id("<span_end>")]
        self._reach = list(accumulate(len(document.text) for document in documents))
        self._siblings: dict[str, list[int]] = {}
        for i, document in enumerate(documents):
            self._siblings.setdefault(document.package, []).append(i)

    def draw(self, rng: random.Random) -> Sample:
        """One sample of the mix."""
        document = self._document(rng)
        mix = self.mix
        kinds: list[Callable[[Document, random.Random], Sample]]
        kinds = [self.plain, self.infill, self.holes, self.repair, self.instruct]
        kind = rng.choices(kinds, weights=[mix.plain, mix.infill, mix.holes, mix.repair, mix.instruct])[0]
        return kind(document, rng)

    def draw_plain(self, rng: random.Random) -> Sample:
        """One plain sample, which may be cut anywhere."""
        return self.plain(self._document(rng), rng)

    def plain(self, document: Document, rng: random.Random) -> Sample:
        """A file, or its rest from the start of a line on."""
        text = document.text
        start = 0 if rng.random() < 0.4 else _line_start(text, rng.randrange(len(text)))
        end = start + rng.randrange(400, 3_000)
        tokens = [*self._head(document, rng), self.tokenizer.id("<prefix>"), *self.tokenizer.encode(text[start:end])]
        if end >= len(text):
            tokens.append(self.tokenizer.id("<doc_end>"))
        return Sample(tokens)

    def infill(self, document: Document, rng: random.Random) -> Sample:
        """One span between a prefix and a suffix, suffix first."""
        text = document.text
        start, end = cut(text, rng)
        prefix, suffix = self._windows(text, start, end, rng)
        head = self._head(document, rng, snippets=True)
        context = layout.suffix_first(self.tokenizer, head, *self.tokenizer.encode_batch([prefix, suffix]))
        return self._sample(context, [text[start:end]])

    def holes(self, document: Document, rng: random.Random) -> Sample:
        """Two to four spans near each other in one window of a file."""
        start = _line_start(document.text, rng.randrange(len(document.text)))
        window = document.text[start : start + rng.randrange(400, 2_000)]
        cuts = _disjoint([cut(window, rng, max_lines=2, max_characters=120) for _ in range(rng.randrange(2, 5))])
        if len(cuts) < 2:
            return self.infill(document, rng)
        edges = [0, *(edge for pair in cuts for edge in pair), len(window)]
        texts = [window[a:b] for a, b in zip(edges, edges[1:], strict=False)]
        pieces = self.tokenizer.encode_batch(texts[::2])
        context = layout.holes(self.tokenizer, self._head(document, rng, snippets=True), pieces)
        return self._sample(context, texts[1::2], limit=layout.HOLE_STRIDE - 1)

    def repair(self, document: Document, rng: random.Random) -> Sample:
        """A few lines and a damaged copy of them: the edit layout."""
        text = document.text
        start = _line_start(text, rng.randrange(len(text)))
        end = _skip_lines(text, start, rng.randrange(1, 9), 400)
        prefix, suffix = self._windows(text, start, end, rng, is_edit=True)
        head = self._head(document, rng, snippets=True, instruction=rng.choice(REPAIR_WORDINGS))
        return self._edit(head, (prefix, suffix), damage(text[start:end], rng), text[start:end], rng)

    def instruct(self, document: Document, rng: random.Random) -> Sample:
        """A selection before and after an edit, and how it was asked for: the edit layout.

        Another file is taken where this one has nothing to undo; a repair where that goes on.
        """
        for _ in range(4):
            pair = draw_pair(document.text, rng, self.mix.kinds)
            said = pair and instruction(pair, rng)
            if pair and said:
                old, new = pair.old, pair.new
                if self.mix.foreign and rng.random() < self.mix.foreign:
                    said, new = foreign(self.mix.kinds, rng), old
                elif rng.random() < self.mix.idle:
                    old = new
                windows = self._windows(document.text, pair.start, pair.end, rng, is_edit=True)
                head = self._head(document, rng, snippets=True, instruction=said)
                return self._edit(head, windows, old, new, rng)
            document = self._document(rng)
        return self.repair(document, rng)

    def _edit(self, head: list[int], windows: tuple[str, str], old: str, new: str, rng: random.Random) -> Sample:
        prefix, suffix, selection = self.tokenizer.encode_batch([*windows, old])
        sample = self._sample(layout.suffix_first(self.tokenizer, head, prefix, suffix, selection), [new])
        is_whole = sample.spans[0][-1:] == self.end
        if self.mix.drafts and rng.random() < self.mix.drafts and is_whole:
            for _ in range(self.mix.n_drafts):
                sample.drafts.extend(draft_blocks(selection + self.end, sample.spans[0], self.tokenizer, rng))
        return sample

    def _sample(self, context: layout.Context, texts: list[str], limit: int = 400) -> Sample:
        spans = [ids[:limit] + self.end * (len(ids) <= limit) for ids in self.tokenizer.encode_batch(texts)]
        return Sample(context.tokens, spans, context.anchors, context.starts)

    def _document(self, rng: random.Random) -> Document:
        return self.documents[bisect.bisect(self._reach, rng.randrange(self._reach[-1]))]

    def _head(
        self, document: Document, rng: random.Random, *, snippets: bool = False, instruction: str = ""
    ) -> list[int]:
        if not instruction and rng.random() < 0.2:
            return []
        shown = self._snippets(document, rng) if snippets and rng.random() < self.mix.snippets else []
        path = "" if rng.random() < 0.3 else document.path
        return layout.header(
            self.tokenizer, language=document.language, path=path, instruction=instruction, snippets=shown
        )

    def _snippets(self, document: Document, rng: random.Random) -> list[Snippet]:
        siblings = self._siblings[document.package]
        found = []
        for _ in range(rng.randrange(1, 5)):
            other = self.documents[rng.choice(siblings)]
            if other.path != document.path:
                start = _line_start(other.text, rng.randrange(len(other.text)))
                found.append(Snippet(path=other.path, text=other.text[start : start + rng.randrange(100, 500)]))
        return found

    @staticmethod
    def _windows(text: str, start: int, end: int, rng: random.Random, *, is_edit: bool = False) -> tuple[str, str]:
        """What is shown before and behind a span, or a selection, which says more than what is around it.

        Few windows are long: what a row teaches of filling is its spans, and long contexts crowd them out.
        """
        shortest, longest = (40, EDIT_PREFIX_CHARACTERS) if is_edit else (80, PREFIX_CHARACTERS)
        n_prefix = round(shortest * (longest / shortest) ** rng.random())
        behind = (0, 50, 100, EDIT_SUFFIX_CHARACTERS) if is_edit else (0, 100, 100, 200, 200, 400, SUFFIX_CHARACTERS)
        prefix = prefix_window(text[max(0, start - 8_000) : start], n_prefix)
        return prefix, suffix_window(text[end : end + 2_000], rng.choice(behind))


def cut(text: str, rng: random.Random, max_lines: int = 10, max_characters: int = 600) -> tuple[int, int]:
    """Where a person's cursor might stand and what would come next: (start, end), end excluded.

    To the end of a line from a random character, whole lines, few above all, or a random stretch; now and then nothing.
    """
    at = rng.randrange(len(text) + 1)
    kind = rng.random()
    if kind < 0.05:
        return at, at
    if kind < 0.5:
        start = _indent_end(text, at) if rng.random() < 0.4 else at
        return start, _line_end(text, start)
    if kind < 0.85:
        start = _indent_end(text, at)
        start = start if rng.random() < 0.7 else _line_start(text, at)
        n_lines = 1 + min(int(rng.expovariate(1 / 2.5)), max_lines - 1)
        return start, _skip_lines(text, start, n_lines, max_characters)
    length = int(rng.expovariate(1 / 40)) if rng.random() < 0.7 else rng.randrange(max_characters)
    return at, min(len(text), at + min(length, max_characters))


def damage(text: str, rng: random.Random) -> str:
    """`text` with one to three small faults: characters or lines lost, doubled, swapped."""
    for _ in range(rng.randrange(1, 4)):
        lines = text.split("\n")
        i = rng.randrange(len(lines))
        at = rng.randrange(len(text) + 1)
        text = rng.choice(
            (
                text[:at] + text[at + rng.randrange(1, 6) :],
                text[:at] + rng.choice("()[]:,.=_ex10") + text[at:],
                "\n".join(lines[:i] + lines[i + 1 :]) if len(lines) > 1 else text[: at // 2],
                "\n".join(lines[: i + 1] + lines[i:]),
            )
        )
    return text


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _indent_end(text: str, at: int) -> int:
    start = _line_start(text, at)
    line = text[start : _line_end(text, start)]
    return start + len(line) - len(line.lstrip())


def _skip_lines(text: str, start: int, n_lines: int, max_characters: int) -> int:
    """The end of the n-th line from `start`, or of the last that keeps within the limit; at least one line."""
    end = _line_end(text, start)
    for _ in range(n_lines - 1):
        further = _line_end(text, min(end + 1, len(text)))
        if further - start > max_characters:
            break
        end = further
    return min(end, start + 2 * max_characters)


def _disjoint(cuts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for start, end in sorted(cuts):
        if not kept or start > kept[-1][1]:
            kept.append((start, end))
    return kept
