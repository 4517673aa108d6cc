"""Where a fill of several lines ends: behind the line up to which it is worth most.

A model that has not learned where to stop writes on, and each line that it adds may spoil those before it. Up to the
end of a line a text is worth its characters times the probability that all of it is right: what a person may expect to
keep. Of the ends that leave the fewest errors in the code around the text, the one worth most is taken; and once none
are left that a line could help and no further line can be worth more, nothing more is written. A text that comes to the
line that stands behind it already has said all that was missing, and ends before that line.

Of a model whose text can be relied on a person who asks gets all that belongs there: it is written until it comes to
that line, leaves the block that it began in, or is ended by the model; what it is worth decides where the line behind
it was never met.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from sampler.decoding.canvas import Canvas
from sampler.decoding.span import Span
from sampler.model.families import FamilyProfile
from sampler.model.tokenizer import Tokenizer
from sampler.protocol.messages import End, InfillRequest
from sampler.text.extent import Extent
from sampler.text.syntax_errors import SyntaxErrors, excerpt_at

TOKEN_CHARACTERS = 4
"""Of a token still to come, on average."""
HOPE = 0.9
"""How likely each token still to come is right, at best."""
MAX_ENDS = 2
"""Lines that are written of a text that is worth nothing, while none leaves the code whole: a head, and its line."""
OPENS = (":", "(", "[", "{", ",", "\\")
"""What such a head ends with, at least."""


def is_open_ended(request: InfillRequest, profile: FamilyProfile) -> bool:
    """Whether it is left open how many lines the one span gets, and its tokens' probabilities tell of them."""
    return profile.causal_reading and len(request.pieces) == 2 and request.edit is None and not request.one_line


def fills_extent(request: InfillRequest, profile: FamilyProfile) -> bool:
    """Whether all that belongs at the place is wanted, not what is worth most of it."""
    return request.forks and profile.by_hand == "extent"


def errors_around(canvas: Canvas, request: InfillRequest) -> SyntaxErrors:
    """Of the one span of `request`."""
    before, after = request.pieces
    return SyntaxErrors(excerpt_at(before, after, request.language), "\n" if canvas.is_between_lines else "")


def ends_of(canvas: Canvas, tokenizer: Tokenizer, mask_id: int) -> tuple[End, ...]:
    """Where the fill of one span could end, by its tokens; a token that is half a character ends nowhere."""
    span, found, log_prob = canvas.spans[0], list[End](), 0.0
    length = len(canvas.fill(span, tokenizer, mask_id))
    for n, own in enumerate(span.log_probs, start=1):
        log_prob += own
        at = len(tokenizer.decode(span.tokens[:n])) - len(canvas.begins)
        if (found[-1].characters if found else 0) < at <= length and tokenizer.is_whole(span.tokens[:n]):
            found.append(End(characters=at, certainty=math.exp(log_prob)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Stop:
    """A place to end: behind how many tokens and characters, what is wrong with the code then, and how likely it is."""

    n_tokens: int
    n_errors: int
    is_whole: bool
    n_characters: int
    log_prob: float

    @property
    def worth(self) -> float:
        """In characters: those of the text times the probability that all of them are right."""
        return self.n_characters * math.exp(self.log_prob)

    @property
    def rank(self) -> tuple[int, float]:
        """The higher the better, of texts that begin otherwise: by worth, more were long and fewer right."""
        return -self.n_errors, self.log_prob


@dataclass(slots=True)
class Stopping:
    """Follows one span as it is written, and says where it ends.

    `begins` is what the first token says again of the prefix, `extent` what the place allows; `fills_extent` says
    whether all of that is wanted, instead of what is worth most.
    """

    tokenizer: Tokenizer
    errors: SyntaxErrors
    begins: str = ""
    extent: Extent = Extent()
    fills_extent: bool = False
    n_sure: int = 0
    """Tokens up to the first end: no fill is shorter."""
    _ends: list[Stop] = field(default_factory=list)
    _is_full: bool = False
    """Whether the text went as far as its place does."""
    _has_met: bool = False
    """Whether it went up to the line behind it."""
    _last: str = ""
    _n_whole: int = 0
    """Tokens read up to the last whole character: behind a broken one nothing ends any more."""
    _read: list[int] = field(default_factory=list)
    _log_prob: float = 0.0
    """That all that was read is right."""

    @property
    def best(self) -> Stop | None:
        """Of the ends so far that leave the fewest errors the one worth most, or the last where all was to be said."""
        is_last_best = self.fills_extent and (self._has_met or self._is_full and not self.extent.behind)
        return max(
            self._ends, key=lambda one: (-one.n_errors, one.n_tokens if is_last_best else one.worth), default=None
        )

    @property
    def stop(self) -> Stop:
        """Where the text ends as things stand: without an end, where it was cut off, which is worth nothing."""
        text = self._text
        return self.best or Stop(
            len(self._read), self.errors.left_by(text), self.errors.is_whole(text), n_characters=0, log_prob=-math.inf
        )

    def follow(self, span: Span, stop_ids: Collection[int]) -> None:
        """Read what was committed since; where the span has ended, or more does not pay, end it where it is best."""
        news = zip(span.tokens, span.log_probs, strict=True)
        for token, log_prob in list(news)[len(self._read) :]:
            if token in stop_ids:
                self._offer_end()
                self._is_full = True
                break
            self._go_on(token, log_prob)
            if not self._pays(span.limit - len(self._read)):
                break
        else:
            if span.finish is None and not self._is_done(span):
                return
        n_text = sum(token not in stop_ids for token in span.tokens)
        if self.best is not None and (span.finish is None or self.best.n_tokens < n_text):
            span.cut(self.best.n_tokens)

    def _is_done(self, span: Span) -> bool:
        """Whether a newline is chosen, though no pass has read it, and nothing behind it pays."""
        if span.next_token is None or not self.tokenizer.decode([span.next_token]).startswith("\n"):
            return False
        self._offer_end()
        return not self._pays(span.limit - len(self._read))

    def _go_on(self, token: int, log_prob: float) -> None:
        written = self.tokenizer.decode([token])
        if written.startswith("\n"):
            self._offer_end()
        self._read.append(token)
        self._log_prob += log_prob
        if self.tokenizer.is_whole(self._read):
            self._n_whole = len(self._read)
        if self.fills_extent and self._ends and self.extent.is_left(self._text):
            self._is_full = True
        elif written.endswith("\n") and not written.startswith("\n"):
            self._offer_end()

    def _offer_end(self) -> None:
        """The text so far could be all; nothing but blanks is no text, nor is half a character.

        A text that comes to the line behind it is all but that line; where it says nothing else, it is an error.
        """
        text = self._text.rstrip()
        if not text or text == self._last or self._n_whole < len(self._read):
            return
        self._last = text
        is_repeated = self.extent.reaches_behind(text)
        if not (is_repeated and self._ends):
            n_errors, is_whole = self.errors.left_by(text) + is_repeated, self.errors.is_whole(text) and not is_repeated
            self._ends.append(Stop(len(self._read), n_errors, is_whole, len(text.lstrip()), self._log_prob))
            self.n_sure = self.n_sure or len(self._read)
        self._is_full = self._has_met = is_repeated

    @property
    def log_prob_bound(self) -> float:
        """No end that leaves the code whole, written or to come, has a higher log-probability."""
        return max(self._log_prob, self.best.log_prob if self.best and self.best.is_whole else -math.inf)

    def _hope(self, n_left: int) -> float:
        """What up to `n_left` more tokens could make the text worth, if all goes well."""
        length, probability = len(self._text), math.exp(self._log_prob)
        return max((length + TOKEN_CHARACTERS * n) * probability * HOPE**n for n in range(n_left + 1))

    def _pays(self, n_left: int) -> bool:
        """Whether up to `n_left` more tokens could be worth more than the best end.

        Where no end leaves the code whole the next one may, as long as the text is worth a key, or has opened something
        that is still to close.
        """
        best = self.best
        if self._is_full:
            return False
        if best is None or self.fills_extent:
            return True
        if best.is_whole:
            return self._hope(n_left) > best.worth
        is_open = len(self._ends) < MAX_ENDS and self._last.endswith(OPENS)
        return is_open or len(self._text) * math.exp(self._log_prob) >= 1

    @property
    def _text(self) -> str:
        text = self.tokenizer.decode(self._read)
        return text[len(self.begins) :] if text.startswith(self.begins) else ""
