"""A file and where to fill it → requests to the sampler → the fills. What `seedfill fill` does, without a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sampler.protocol.messages import InfillRequest, InfillResult
from sampler.text.hole_groups import group_pieces, hole_groups
from sampler.text.line_ends import unix_lines
from sampler.text.refilling import refill
from sampler.text.windows import prefix_window, suffix_window
from seedfill.errors import Refused
from seedfill.source import SourceFile


class Sampler(Protocol):
    """The one method of `sampler.protocol.client.SamplerClient` that filling needs."""

    async def infill(self, request: InfillRequest) -> InfillResult:
        """The result of `request`; raises where there is none."""


Present: TypeAlias = Callable[[str, str, str, str], str]
"""What is taken of the text that the model wrote, what stands before and after it, and the language."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FillOptions:
    """What a person may choose about a fill."""

    n_candidates: int = 1
    max_tokens: int = 64
    seed: int = 0
    model: str | None = None
    language: str | None = None
    """None: by the file's name."""
    one_line: bool = False
    """End the fill with its first line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hole:
    """A hole: where its marker stands in the file, what replaces it, how sure the model was (0 to 1)."""

    offset: int
    text: str
    confidence: float
    is_open: bool = False
    """Nothing that fits was found, so that the marker stays."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FilledHoles:
    """All holes of a file in document order, the filled text, and one result for each group of holes."""

    text: str
    holes: tuple[Hole, ...]
    results: tuple[InfillResult, ...]


async def fill_cursor(sampler: Sampler, source: SourceFile, offset: int, options: FillOptions) -> InfillResult:
    """What belongs at `offset`, candidates best first."""
    prefix, suffix = unix_lines(source.text[:offset]), unix_lines(source.text[offset:])
    request = _request(source, (prefix_window(prefix), suffix_window(suffix)), options)
    return await sampler.infill(request)


async def fill_holes(
    sampler: Sampler,
    source: SourceFile,
    marker: str,
    options: FillOptions,
    present: Present = lambda written, before, after, language: written,
) -> FilledHoles:
    """Fill every `marker` with what `present` takes of the fill: several at once, later groups seeing earlier ones.

    A hole of whose fill it takes nothing is tried once more by itself; one that nothing fits keeps its marker.

    Raises Refused when the file has no such marker.
    """
    pieces = source.text.split(marker)
    if len(pieces) == 1:
        raise Refused(f"{source.path} has no {marker}, so there is nothing to fill.")
    seen, language = [*map(unix_lines, pieces)], options.language or source.language
    filled, holes, results, offsets = pieces[0], list[Hole](), list[InfillResult](), _offsets(pieces, marker)
    for group in hole_groups(pieces):
        given = group_pieces(unix_lines(filled), seen, group)
        result = await sampler.infill(_request(source, given, options))
        results.append(result)
        best = result.candidates[0]
        for hole, written in zip(group, best.fills, strict=True):
            after, confidence = "".join(pieces[hole + 1 :]), best.confidence
            shown = present(written, filled, after, language)
            if written.strip() and not shown:
                results.append(await _once_more(sampler, source, (filled, after), options))
                again = results[-1].candidates[0]
                shown, confidence = present(again.fills[0], filled, after, language), again.confidence
            text = source.with_own_newlines(shown)
            is_open = bool(written.strip()) and not shown
            holes.append(Hole(offset=offsets[hole], text=text, confidence=confidence, is_open=is_open))
            filled += (marker if is_open else text) + pieces[hole + 1]
    return FilledHoles(text=filled, holes=tuple(holes), results=tuple(results))


async def _once_more(
    sampler: Sampler, source: SourceFile, around: tuple[str, str], options: FillOptions
) -> InfillResult:
    """What fits into one hole whose first fill did not, with the parser in the loop."""
    before, after = map(unix_lines, around)
    return await refill(sampler.infill, _request(source, (prefix_window(before), suffix_window(after)), options))


def _request(source: SourceFile, pieces: tuple[str, ...], options: FillOptions) -> InfillRequest:
    return InfillRequest(
        document=f"fill:{source.path.absolute()}",
        pieces=pieces,
        language=options.language or source.language,
        path=source.path.name,
        n_candidates=options.n_candidates,
        max_tokens=options.max_tokens,
        one_line=options.one_line,
        wants_text=len(pieces) == 2,
        seed=options.seed,
        model=options.model,
    )


def _offsets(pieces: Sequence[str], marker: str) -> list[int]:
    """Where each marker stands in the text that `pieces` were split from."""
    offsets, end = [], 0
    for piece in pieces[:-1]:
        offsets.append(end + len(piece))
        end = offsets[-1] + len(marker)
    return offsets
