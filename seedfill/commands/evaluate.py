"""`seedfill eval …`: measure a model on task files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from sampler.protocol.messages import Start
from seedfill.commands.measuring import (
    BlockSizeOption,
    DeviceOption,
    FloorOption,
    LimitOption,
    ModelOption,
    OutOption,
    ParserLoopOption,
    PolicyOption,
    SeedOption,
    TasksArgument,
    ThresholdOption,
    chosen_tasks,
    eager_threshold,
    floor_of_edits,
    own_engine,
    progress_bar,
    write_answers,
)
from seedfill.commands.output import JsonOption, complain, print_json, stderr_console, stdout_console
from seedfill.errors import BadInput, CommandError

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure a model on task files.

    Example: seedfill eval infill SingleLine.jsonl.gz --limit 100
    """


@app.command()
def infill(
    tasks: TasksArgument,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    out: OutOption = None,
    policy: PolicyOption = None,
    block_size: BlockSizeOption = None,
    threshold: ThresholdOption = None,
    likeliest: Annotated[bool, typer.Option(help="The likeliest tokens alone, as an editor shows unasked.")] = False,
    max_tokens: Annotated[int, typer.Option(min=1, max=1024, help="The longest answer, in tokens.")] = 128,
    parallel: Annotated[int, typer.Option(min=1, help="Requests at a time; above 1, ms holds what they share.")] = 1,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Fill the spans of a task file in HumanEval-Infilling's format and score the answers.

    What the model wrote is run with the tasks' tests in a throw-away folder, without network and under limits.
    floor_pass_at_1 is what empty answers score.

    Example: seedfill eval infill SingleLine.jsonl.gz --limit 100 --out predictions.jsonl
    """
    from seedfill.evaluation.infill import InfillOptions, answer_tasks, figures, judge, prediction
    from seedfill.evaluation.tasks import read_tasks

    chosen = chosen_tasks(read_tasks, tasks, limit, out)
    options = InfillOptions(
        seed=seed,
        max_tokens=max_tokens,
        n_parallel=parallel,
        policy=policy,
        block_size=block_size,
        threshold=threshold,
        forks=not likeliest,
    )
    with own_engine(model, device) as engine, progress_bar("Answering", len(chosen)) as advance:
        answers = answer_tasks(engine, chosen, options, advance)
    with stderr_console().status("Running the tests …"):
        verdicts = judge(chosen, answers)
    write_answers(out, [prediction(*pair) for pair in zip(answers, verdicts, strict=True)])
    n_failed = sum(answer.error is not None for answer in answers)
    if n_failed:
        complain(f"{n_failed} of {len(answers)} tasks could not be answered and count as empty answers.")
    _show(figures(chosen, answers, verdicts), as_json=as_json)


@app.command()
def edit(
    tasks: TasksArgument,
    limit: LimitOption = None,
    seed: SeedOption = 0,
    out: OutOption = None,
    start: Annotated[Start, typer.Option(help="What an edit starts from.")] = "selection",
    floor: FloorOption = None,
    parser_loop: ParserLoopOption = True,
    policy: PolicyOption = None,
    block_size: BlockSizeOption = None,
    threshold: ThresholdOption = None,
    edit_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="How sure the model must be to change old code.")
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Edit files as a task file instructs and score the edits.

    Reads CanItEdit, EditEval, HumanEvalFix, QuixBugs and what `seedfill train instruct-set` writes. Edited files are
    run with the tasks' tests in a throw-away folder, without network and under limits; ours are compared with what
    was asked for. Refused edits count as failed; excess_code is the share of written lines that passed tests never
    run; diff_ratio is the number of changed characters over that of a person's edit.

    Example: seedfill eval edit canitedit.jsonl.gz --limit 20 --out predictions.jsonl
    """
    from sampler.text.rewriting import PARSE_ROUNDS
    from seedfill.evaluation.edit_tasks import read_edit_tasks
    from seedfill.evaluation.editor import EditOptions, SamplerEditor
    from seedfill.evaluation.edits import answer_edits, edit_figures, judge_edits, prediction

    chosen = chosen_tasks(read_edit_tasks, tasks, limit, out)
    options = EditOptions(
        seed=seed,
        start=start,
        floor=floor_of_edits(model, floor),
        eager_threshold=eager_threshold(model),
        parse_rounds=PARSE_ROUNDS if parser_loop else None,
        policy=policy,
        block_size=block_size,
        threshold=threshold,
        edit_threshold=edit_threshold,
    )
    with own_engine(model, device) as engine, progress_bar("Editing", len(chosen)) as advance:
        answers = answer_edits(SamplerEditor(engine, options), chosen, advance)
    with stderr_console().status("Running the tests …"):
        verdicts = judge_edits(chosen, answers)
    write_answers(out, [prediction(*pair) for pair in zip(answers, verdicts, strict=True)])
    if all(answer.refused for answer in answers):
        complain(f"All edits were refused, the first one because: {answers[0].refusal}")
    body = edit_figures(chosen, answers, verdicts)
    kinds = body.pop("kinds")
    _show({**body, **({"kinds": kinds} if as_json else kinds)}, as_json=as_json)


@app.command()
def typing(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files to retype.", show_default=False)],
    keys: Annotated[int, typer.Option(min=1, help="At most so many keys over all files.")] = 600,
    seed: Annotated[int, typer.Option(help="The same seed types the same regions at the same pace.")] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the server, as completion.debounceMs=75."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Retype parts of files through the real language server and sampler, as fast as a person, and count what it saves.

    Two thirds of the keys retype regions deleted from the middle of a file, the rest continues files at their end.
    The time between keys is virtual, that of the server and of the sampler real. ms is from a key to its suggestion.

    Example: seedfill eval typing examples/inventory.py --keys 200
    """
    from sampler.protocol.client import SamplerError
    from seedfill.evaluation.keystrokes import File, sessions
    from seedfill.evaluation.typing import replay
    from seedfill.source import read_source

    options = _nested(settings or [])
    sources = [(file.name, read_source(file)) for file in files]
    typed = sessions([File(name, source.language, _unix(source.text)) for name, source in sources], keys, seed)
    if not typed:
        raise BadInput("There is nothing to retype: every file is blank.")
    try:
        with progress_bar("Typing", keys) as advance:
            tally = replay(typed, seed=seed, options=options, on_key=advance)
    except SamplerError as error:
        raise CommandError(str(error)) from None
    _show(tally.figures(), as_json=as_json)


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n")


def _nested(assignments: list[str]) -> dict[str, Any]:
    """{"a": {"b": 1}} of ["a.b=1"]; values are JSON, or else strings."""
    nested: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, raw = assignment.partition("=")
        section, dot, key = name.partition(".")
        if not (section and dot and key and equals):
            raise BadInput(f"--set takes SECTION.NAME=VALUE, such as completion.debounceMs=75, not {assignment!r}.")
        try:
            value = json.loads(raw)
        except ValueError:
            value = raw
        nested.setdefault(section, {})[key] = value
    return nested


def _show(body: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(body)
        return
    from rich.table import Table

    table = Table("figure", "value")
    for name, value in body.items():
        table.add_row(name, _readable(value))
    stdout_console().print(table)


def _readable(value: Any) -> str:
    if value is None:
        return "not measured"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_readable(item)}" for name, item in value.items()) or "none"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
