"""The parser in the loop of a fill: from the line on at which a fill stops making sense, it is written again. No torch.

result = await refill(sampler.infill, request)
"""

from __future__ import annotations

from dataclasses import replace

from sampler.protocol.messages import Candidate, InfillRequest, InfillResult
from sampler.text.rewriting import Infill
from sampler.text.syntax import error_lines
from sampler.text.syntax_errors import SyntaxErrors, excerpt_at

ROUNDS = 2
"""How often what does not parse is written again."""
N_CANDIDATES = 3
"""Of each round; the first is the likeliest once more, which the kept lines may have changed."""
_STAND_INS = ("", "pass", "x")
"""What may stand in a gap without a syntax error, wherever that is."""


async def refill(infill: Infill, request: InfillRequest, rounds: int = ROUNDS) -> InfillResult:
    """The answer to a request with one span; where the best candidate has syntax errors, of several the first without.

    The lines before the first wrong one are kept. Without a grammar, or where nothing helps, it is the first answer.
    """
    first = result = await infill(request)
    expected = _n_expected(request)
    for number in range(rounds):
        text = result.candidates[0].fills[0]
        errors = _errors(request, text)
        if len(errors) <= expected:
            return result
        result = await _again(infill, request, text, errors, number + 1)
        better = [one for one in result.candidates if len(_errors(request, one.fills[0])) <= expected]
        if better:
            return replace(result, candidates=(*better, *first.candidates)[: request.n_candidates])
    return first


def fits(before: str, text: str, after: str, language: str) -> bool:
    """Whether `text` leaves no more wrong with what stands around it than a stand-in would."""
    around = SyntaxErrors(excerpt_at(before, after, language))
    return around.left_by(text) <= min(map(around.left_by, _STAND_INS))


async def _again(infill: Infill, request: InfillRequest, text: str, errors: list[int], number: int) -> InfillResult:
    """New ends for the text, put behind what is kept of it."""
    n_kept = min((line for line in errors if line >= 0), default=0)
    kept = "".join(f"{line}\n" for line in text.split("\n")[:n_kept])
    before, after = request.pieces
    asked = replace(
        request, pieces=(before + kept, after), n_candidates=N_CANDIDATES, seed=request.seed + number, stream=False
    )
    result = await infill(asked)
    return replace(result, candidates=tuple(_behind(kept, one) for one in result.candidates))


def _behind(kept: str, candidate: Candidate) -> Candidate:
    return replace(candidate, fills=(kept + candidate.fills[0],), ends=())


def _errors(request: InfillRequest, text: str) -> list[int]:
    """The line of each syntax error, counted from the start of the fill: those of the surroundings may be below 0."""
    before, after = request.pieces
    first = before.count("\n")
    return [line - first for line in error_lines(before + text + after, request.language)]


def _n_expected(request: InfillRequest) -> int:
    """How many syntax errors the surroundings have, whatever is filled in."""
    return min(len(_errors(request, text)) for text in _STAND_INS)
