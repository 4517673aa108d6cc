"""`seedfill edit`: rewrite lines of a file as an instruction says."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import unified_diff
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from lsp_server.edits.selection import Selection, applied, replacements, rewrite_request, select
from lsp_server.workspace.model_facts import model_facts
from sampler.protocol.messages import Event, InfillRequest, InfillResult, Progress
from sampler.text.rewriting import Refusal
from sampler.text.rewriting import rewrite as rewriting_of
from seedfill.commands.asking import Show, ask, readable
from seedfill.commands.output import JsonOption, print_json, stdout_console
from seedfill.errors import BadInput, Refused
from seedfill.source import SourceFile

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_RANGE = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")


class Sampler(Protocol):
    """The one method of `sampler.protocol.client.SamplerClient` that an edit needs."""

    async def infill(self, request: InfillRequest, *, on_event: Callable[[Event], None] | None = None) -> InfillResult:
        """The result of `request`; raises where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EditedFile:
    """The file's text after the edit, the lines that were rewritten, and what the sampler said."""

    text: str
    lines: str
    result: InfillResult


def edit(
    file: Annotated[Path, typer.Argument(help="The file to edit.", show_default=False)],
    instruction: Annotated[str, typer.Argument(help="What is to become of the lines.", show_default=False)],
    lines: Annotated[str, typer.Option(metavar="A:B", help="First and last line, 1-based.", show_default=False)],
    keep: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Leave it as it is wherever it stands in the lines.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show the lines while they are written.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Write the result into the file.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same edit.")] = 0,
    model: Annotated[str, typer.Option(help="A model's id or folder; the default is the shipped one.")] = "",
    language: Annotated[str, typer.Option(help="What the file is written in; by default its name tells.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Rewrite lines of a file as an instruction says, and print the difference.

    Ends with exit code 3 where the model would change nothing, or is not sure how to.

    Example: seedfill edit examples/inventory.py --lines 37:41 "return the condition directly"
    """
    source = readable(file)
    options = {"seed": seed, "model": model or None, "stream": watch}
    request = _request(source, _selection(source, lines, keep or []), instruction, options, language)
    try:
        edited = ask(lambda sampler, show: rewrite(sampler, source, lines, request, show if watch else None))
    except Refusal as refusal:
        raise Refused(str(refusal)) from None
    source.encoded(edited.text)  # raises where the file's encoding cannot hold it
    if apply:
        source.write(edited.text)
    difference = diff(source, edited.text)
    if as_json:
        print_json(_json(edited, difference, applied=apply))
    else:
        _show(source, difference, edited.result)


async def rewrite(
    sampler: Sampler, source: SourceFile, lines: str, request: InfillRequest, show: Show | None = None
) -> EditedFile:
    """The file with those lines rewritten; raises Refusal. `show` is told of the text as it comes about."""
    on_event = _shown_by(show) if show else None
    facts = model_facts(request.model)
    selection = select(source.text, *_span(source, lines))
    rewriting = await rewriting_of(
        lambda request: sampler.infill(request, on_event=on_event),
        request,
        facts.edit_confidence_floor,
        around=selection.around,
        eager_threshold=facts.eager_edit_threshold,
    )
    changes = replacements(selection, rewriting.text)
    lines = source.with_own_newlines(rewriting.text)
    return EditedFile(text=applied(source.text, changes), lines=lines, result=rewriting.result)


def diff(source: SourceFile, text: str) -> str:
    """A unified diff that `patch -p1` understands; empty where nothing changed."""
    name = source.path.as_posix().removeprefix("/")
    old, new = _LINE.findall(source.text), _LINE.findall(text)
    parts = unified_diff(old, new, f"a/{name}", f"b/{name}")
    return "".join(part if part.endswith("\n") else f"{part}\n\\ No newline at end of file\n" for part in parts)


def _selection(source: SourceFile, lines: str, keep: Sequence[str]) -> Selection:
    """The lines, and all places in them of what is to stay; raises BadInput where it does not stand there."""
    start, end = _span(source, lines)
    kept = list[tuple[int, int]]()
    for text in keep:
        places = [start + match.start() for match in re.finditer(re.escape(text), source.text[start:end])]
        if not text or not places:
            raise BadInput(f"--keep {text!r} does not stand in the lines {lines}.")
        kept += [(place, place + len(text)) for place in places]
    return replace(select(source.text, start, end), kept=tuple(kept))


def _request(
    source: SourceFile, selection: Selection, instruction: str, options: dict[str, Any], language: str
) -> InfillRequest:
    if not instruction.strip():
        raise BadInput("Say in the instruction what is to become of the lines.")
    try:
        return rewrite_request(
            selection,
            instruction,
            document=f"edit:{source.path.absolute()}",
            language=language or source.language,
            path=source.path.name,
            **options,
        )
    except Refusal as refusal:
        raise Refused(str(refusal)) from None


def _span(source: SourceFile, lines: str) -> tuple[int, int]:
    """The characters from the first to the last line; raises BadInput where the file has no such lines."""
    match = _RANGE.fullmatch(lines)
    if match is None:
        raise BadInput(f"--lines needs A:B, for example 12:15, not {lines!r}.")
    first, last = int(match[1]), int(match[2])
    if first > last:
        raise BadInput(f"--lines needs the first line before the last, not {lines}.")
    start, _ = source.offset(first, 1), source.offset(last, 1)
    return start, source.line_spans[last - 1][1]


def _shown_by(show: Show) -> Callable[[Event], None]:
    from rich.text import Text

    from seedfill.render import visible

    def on_event(event: Event) -> None:
        if isinstance(event, Progress):
            show(Text(f"Rewriting …\n{visible(event.fills[0])}"))

    return on_event


def _json(edited: EditedFile, difference: str, *, applied: bool) -> dict[str, Any]:
    figures = asdict(edited.result.candidates[0])
    del figures["fills"], figures["ends"]
    about = {name: getattr(edited.result, name) for name in ("ms", "load_ms", "model", "device")}
    return {"diff": difference, "text": edited.lines, **figures, **about, "applied": applied}


def _show(source: SourceFile, difference: str, result: InfillResult) -> None:
    """The diff: byte for byte where a program reads it, coloured where a person does."""
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(difference.encode(source.encoding))
        return
    from rich.text import Text

    from seedfill.render import summary, visible

    shown = Text()
    for line in difference.split("\n"):
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        shown.append(f"{visible(line)}\n", style="bold" if line[:3] in ("+++", "---") else style)
    stdout_console().print(shown, end="")
    stdout_console().print(summary(result.candidates[0], result))
