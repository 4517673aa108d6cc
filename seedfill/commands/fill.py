"""`seedfill fill`: what belongs at a cursor, or in every hole of a file."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sampler.protocol.messages import Candidate, InfillResult
from seedfill.commands.asking import ask, readable
from seedfill.commands.output import JsonOption, complain, print_json, stdout_console
from seedfill.commands.presenting import fitting, has_one_line, presentable_result
from seedfill.errors import BadInput
from seedfill.filling import FilledHoles, FillOptions, fill_cursor, fill_holes
from seedfill.source import SourceFile, parse_position


def fill(
    file: Annotated[Path, typer.Argument(help="The file to fill.", show_default=False)],
    at: Annotated[str, typer.Option("--at", metavar="LINE:COL", help="The cursor, 1-based as editors show it.")] = "",
    holes: Annotated[bool, typer.Option("--holes", help="Fill every hole marker instead.")] = False,
    hole_marker: Annotated[str, typer.Option(help="What stands for a hole.")] = "▢",
    apply: Annotated[bool, typer.Option("--apply", help="Write the result into the file.")] = False,
    candidates: Annotated[int, typer.Option(min=1, max=16, help="How many to make; best first.")] = 1,
    max_tokens: Annotated[int, typer.Option(min=1, max=1024, help="The longest fill, in tokens.")] = 64,
    seed: Annotated[int, typer.Option(help="The same seed gives the same fill.")] = 0,
    model: Annotated[str, typer.Option(help="A model's id or folder; the default is the shipped one.")] = "",
    language: Annotated[str, typer.Option(help="What the file is written in; by default its name tells.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Fill in what belongs at a cursor, or in every hole of a file.

    Uses the sampler that all editors of this user share, and starts it when none runs.

    Example: seedfill fill examples/inventory.py --at 32:20

    Example: seedfill fill examples/holes.py --holes
    """
    if bool(at) == holes:
        raise BadInput("Give either --at LINE:COL or --holes.")
    if not hole_marker:
        raise BadInput("--hole-marker must not be empty.")
    options = FillOptions(
        n_candidates=candidates,
        max_tokens=max_tokens,
        seed=seed,
        model=model or None,
        language=language or None,
    )
    source = readable(file)
    if holes:
        _fill_holes(source, hole_marker, options, apply=apply, as_json=as_json)
    else:
        _fill_cursor(source, at, options, apply=apply, as_json=as_json)


def _fill_cursor(source: SourceFile, at: str, options: FillOptions, *, apply: bool, as_json: bool) -> None:
    offset = source.offset(*parse_position(at))
    before, after = source.text[:offset], source.text[offset:]
    language = options.language or source.language
    options = replace(options, one_line=has_one_line(before, after, language))
    written = ask(lambda sampler, _: fill_cursor(sampler, source, offset, options))
    result = presentable_result(written, before, after, language)
    if apply:
        source.write(before + source.with_own_newlines(result.candidates[0].fills[0]) + after)
    if as_json:
        print_json(_cursor_json(source, result, options))
    else:
        _show_cursor(source, offset, result)


def _fill_holes(source: SourceFile, marker: str, options: FillOptions, *, apply: bool, as_json: bool) -> None:
    filled = ask(lambda sampler, _: fill_holes(sampler, source, marker, options, fitting))
    if apply:
        source.write(filled.text)
    if n_open := sum(hole.is_open for hole in filled.holes):
        complain(f"Nothing that fits was found for {n_open} of the {len(filled.holes)} holes, which stay as they are.")
    if as_json:
        print_json(_holes_json(source, filled, applied=apply))
    else:
        _show_holes(source, marker, filled)


def _cursor_json(source: SourceFile, result: InfillResult, options: FillOptions) -> dict[str, Any]:
    bodies = [_candidate_json(source, candidate, result) for candidate in result.candidates]
    return bodies[0] | ({"candidates": bodies} if options.n_candidates > 1 else {})


def _candidate_json(source: SourceFile, candidate: Candidate, result: InfillResult) -> dict[str, Any]:
    figures = asdict(candidate)
    fills = figures.pop("fills")
    figures.pop("ends")  # they speak of the text as it was written
    about = {"ms": result.ms, "load_ms": result.load_ms, "model": result.model, "device": result.device}
    return {"text": source.with_own_newlines(fills[0]), **figures, **about}


def _holes_json(source: SourceFile, filled: FilledHoles, *, applied: bool) -> dict[str, Any]:
    places = [source.line_col(hole.offset) for hole in filled.holes]
    best = [result.candidates[0] for result in filled.results]
    return {
        "holes": [
            {"line": line, "col": col, "text": hole.text, "confidence": hole.confidence}
            for (line, col), hole in zip(places, filled.holes, strict=True)
        ],
        "tokens": sum(candidate.tokens for candidate in best),
        "forwards": sum(candidate.forwards for candidate in best),
        "ms": sum(result.ms for result in filled.results),
        "load_ms": sum(result.load_ms for result in filled.results),
        "model": filled.results[-1].model,
        "device": filled.results[-1].device,
        "applied": applied,
    }


def _show_cursor(source: SourceFile, offset: int, result: InfillResult) -> None:
    from seedfill.render import numbered_lines, summary

    console = stdout_console()
    for candidate in result.candidates:
        segments = [(source.text[:offset], False), (candidate.fills[0], True), (source.text[offset:], False)]
        console.print(numbered_lines(segments))
        console.print(summary(candidate, result))


def _show_holes(source: SourceFile, marker: str, filled: FilledHoles) -> None:
    """The filled file: byte for byte where a program reads it, highlighted where a person does."""
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(source.encoded(filled.text))
        return
    from seedfill.render import numbered_lines, summary

    console = stdout_console()
    pieces = source.text.split(marker)
    segments = [(pieces[0], False)]
    for hole, piece in zip(filled.holes, pieces[1:], strict=True):
        segments += [(marker if hole.is_open else hole.text, True), (piece, False)]
    console.print(numbered_lines(segments, context=None))
    for result in filled.results:
        console.print(summary(result.candidates[0], result))
