"""How much of a text is worth showing: as much as a person may expect to keep.

Of a whole line a young model is seldom sure, of its first words often. Up to the end of a word a text is worth the keys
that it saves times the probability that all of it is right.
"""

from __future__ import annotations

from collections.abc import Sequence

from sampler.protocol.messages import Candidate, End


def ends_of(candidate: Candidate) -> tuple[End, ...]:
    """Where the text of a candidate could end; where the sampler says nothing of that, at its end alone.

    The mean over the tokens says little: of ten that are each right nine times in ten, all are right one time in three,
    and text that a model knows by heart, line after line, has a high mean wherever it stands.
    """
    certainty = float(candidate.confidence ** max(candidate.tokens, 1))
    return candidate.ends or (End(characters=len(candidate.fills[0]), certainty=certainty),)


def ends_within(ends: Sequence[End], start: int, stop: int) -> tuple[End, ...]:
    """The ends of a stretch of the text, given that what stands before it is right, the last of them its own."""
    before = next((end.certainty for end in reversed(ends) if end.characters <= start), 1.0)
    inside = [end for end in ends if start < end.characters < stop]
    last = next((end for end in ends if end.characters >= stop), ends[-1])
    return tuple(
        End(characters=min(end.characters, stop) - start, certainty=end.certainty / before if before else 0.0)
        for end in [*inside, End(characters=stop, certainty=last.certainty)]
    )


def worth_showing(text: str, ends: Sequence[End], floor: float = 0.0) -> End:
    """The end of a word, or of the text, up to which it is worth most; the key that accepts it is a price.

    Of those that are as sure as the `floor` asks for, where there are any.
    """
    neat = [end for end in ends if _is_neat(text, end.characters)] or ends[-1:]
    sure = [end for end in neat if end.certainty >= floor]
    return max(sure or neat, key=lambda end: (len(text[: end.characters].strip()) - 1) * end.certainty)


def _is_neat(text: str, at: int) -> bool:
    """Whether a text may be shown up to there: not within a word, and not with blanks at its end."""
    before, after = text[at - 1 : at], text[at : at + 1]
    return not before.isspace() and not (_is_letter(before) and _is_letter(after))


def _is_letter(sign: str) -> bool:
    return sign.isalnum() or sign == "_"
