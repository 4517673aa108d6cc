"""`seedfill train …`: the corpus, the tokenizer and the runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sampler.model.devices import wait_passively
from sampler.protocol import paths
from seedfill.commands.train.figures import add_commands
from seedfill.commands.train.studies import app as study
from seedfill.errors import BadInput, CommandError

app = typer.Typer(
    no_args_is_help=True, help="Build the corpus, learn the tokenizer, train.", epilog="Example: seedfill train recipes"
)

add_commands(app)
app.add_typer(study, name="study")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
CorpusFolder = Annotated[Path | None, typer.Option("--corpus", help="The corpus folder (default: in the cache).")]


def default_corpus() -> Path:
    """Where `train corpus` writes and `train run` reads unless told otherwise."""
    return paths.cache_folder() / "corpus"


def state_folder(recipe: str) -> Path:
    """Where a recipe's states and log go."""
    return paths.state_folder() / "training" / recipe


@app.command(epilog="Example: seedfill train recipes --json")
def recipes(as_json: Json = False) -> None:
    """List the recipes and what each is for."""
    from seedfill.training.loop.recipes import RECIPES

    found = {name: recipe.purpose for name, recipe in RECIPES.items()}
    if as_json:
        print(json.dumps({"recipes": [{"name": name, "purpose": text} for name, text in found.items()]}))
    else:
        for name, text in found.items():
            print(f"{name:14} {text}")


@app.command(epilog="Example: seedfill train corpus --decontaminate tasks/HumanEval.jsonl.gz")
def corpus(
    out: CorpusFolder = None,
    decontaminate: Annotated[
        list[Path] | None, typer.Option(help="A task file whose text must not be trained on; repeat for several.")
    ] = None,
    wheels: Annotated[Path | None, typer.Option(help="Where the wheels lie or are downloaded to.")] = None,
    as_json: Json = False,
) -> None:
    """Build the corpus from the manifest: the standard library and named, permissively licensed packages."""
    from seedfill.training.data import corpus as building

    missing = [path for path in decontaminate or [] if not path.is_file()]
    if missing:
        raise BadInput(f"There is no task file {missing[0]}.")
    try:
        summary = building.build(
            out or default_corpus(), wheels or paths.cache_folder() / "wheels", decontaminate or []
        )
    except building.CorpusError as error:
        raise CommandError(str(error)) from None
    _report(summary, as_json)


@app.command(epilog="Example: seedfill train tokenizer --out tokenizer.json")
def tokenizer(
    out: Annotated[Path, typer.Option(help="The tokenizer.json to write.")],
    corpus: CorpusFolder = None,
    as_json: Json = False,
) -> None:
    """Learn the byte-level BPE from the corpus. The shipped one is frozen: another one needs another model."""
    from seedfill.training.data import bpe
    from seedfill.training.data import corpus as reading
    from seedfill.training.loop.recipes import VOCAB_SIZE

    folder = corpus or default_corpus()
    try:
        documents = reading.read(folder, "train")[::10] + reading.read(folder, "other")[::10]
    except reading.CorpusError as error:
        raise BadInput(str(error)) from None
    learned = bpe.learn((document.text for document in documents), VOCAB_SIZE)
    learned.save(out)
    sample = "".join(document.text for document in reading.read(folder, "heldout")[:200])
    rate = len(sample) / len(learned.encode(sample))
    _report({"vocab_size": learned.vocab_size, "characters_per_token": rate}, as_json)


@app.command(epilog="Example: seedfill train run trunk --resume")
def run(
    name: Annotated[str, typer.Argument(help="A recipe: see `seedfill train recipes`.")],
    resume: Annotated[bool, typer.Option(help="Go on exactly from the newest state in the state folder.")] = False,
    resume_from: Annotated[
        Path | None, typer.Option(help="A folder of exported weights to start from; the optimiser is warmed up again.")
    ] = None,
    corpus: CorpusFolder = None,
    folder: Annotated[Path | None, typer.Option(help="Where states and the log go.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="The recipe's number of steps, changed.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the order of the data and of its noise.")] = None,
    stop_after: Annotated[int | None, typer.Option(min=1, help="Stop after so many steps from here.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write the weights into this folder at the end.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    compiled: Annotated[bool, typer.Option("--compile/--no-compile", help="Compile the network.")] = True,
    workers: Annotated[int, typer.Option(min=0, help="Processes that draw rows; for a GPU, one a core.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a recipe. Killed at any moment and resumed, it goes on as if nothing had happened."""
    wait_passively()
    from seedfill.training.loop import runs

    states = folder or state_folder(name)
    if (in_the_way := paths.obstacle(states)) is not None:
        raise BadInput(
            f"States cannot be kept in {states}, as {in_the_way} cannot be written: name a folder with --folder."
        )
    try:
        figures = runs.run(
            name,
            runs.Request(
                folder=states,
                corpus=corpus or default_corpus(),
                resume=resume,
                resume_from=resume_from,
                n_steps=steps,
                seed=seed,
                stop_after=stop_after,
                export=export,
                device=device,
                compile=compiled,
                n_workers=workers,
            ),
            lambda entry: print(json.dumps(entry), file=sys.stderr, flush=True),
        )
    except (runs.Unsaved, runs.Stopped) as error:
        raise CommandError(str(error)) from None
    except runs.BadRun as error:
        raise BadInput(str(error)) from None
    _report(figures, as_json)


@app.command(epilog="Example: seedfill train export trunk --out trunk/")
def export(
    name: Annotated[str, typer.Argument(help="A recipe that has a state in its folder.")],
    out: Annotated[Path, typer.Option(help="Folder for config.json, model.safetensors and tokenizer.json.")],
    folder: Annotated[Path | None, typer.Option(help="Where the states are (default: the state folder).")] = None,
    as_json: Json = False,
) -> None:
    """Write the newest state's weights in bfloat16 and Hugging Face layout."""
    from seedfill.training.loop import runs

    try:
        _report(runs.export_newest(name, folder or state_folder(name), out), as_json)
    except runs.BadRun as error:
        raise BadInput(str(error)) from None


@app.command(epilog="Example: seedfill train average trunk/ weights/ --share 0.35 --share 0.65 --out start/")
def average(
    folders: Annotated[list[Path], typer.Argument(help="Checkpoints of one shape; the first says what the mean is.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    share: Annotated[list[float] | None, typer.Option(help="What each counts; by default all count alike.")] = None,
    as_json: Json = False,
) -> None:
    """Write the mean of several checkpoints' weights: those of one run, or of a trunk and its branch."""
    from sampler.model.folder import ModelError
    from seedfill.training.loop import averaging

    try:
        _report(averaging.average(folders, share or [1.0] * len(folders), out), as_json)
    except (averaging.BadAverage, ModelError, OSError) as error:
        raise BadInput(str(error)) from None


@app.command(epilog="Example: seedfill train evaluate weights/ --sweep --json > branch.json")
def evaluate(
    folder: Annotated[Path, typer.Argument(help="A checkpoint: config.json, model.safetensors, tokenizer.json.")],
    corpus: CorpusFolder = None,
    limit: Annotated[int, typer.Option(min=1, help="Spans of each kind, texts to correct, tasks of a file.")] = 60,
    block_sizes: Annotated[str, typer.Option(help="For bits a byte and the sweep, with commas.")] = "1,4,8,16,32",
    sweep: Annotated[bool, typer.Option(help="Exact match against tokens per forward, over settings.")] = False,
    tasks: Annotated[Path | None, typer.Option(help="Infilling tasks with tests, for pass@1.")] = None,
    edits: Annotated[Path | None, typer.Option(help="Editing tasks, for the share that passes.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed takes the same texts.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Json = False,
) -> None:
    """Print a checkpoint's figures on the held-out packages, a row of the table in docs/training.md.

    Bits a byte (token by token, and at block sizes), fills of lines and of several lines, and self-correction: 5 % of
    the visible tokens are wrong at places that the model is not told. `seedfill train table` makes a table of several.
    """
    wait_passively()
    from seedfill.training.data import corpus as reading
    from seedfill.training.studies import scorecard

    try:
        sizes = scorecard.read_sizes(block_sizes)
        asked = scorecard.read_plan_tasks(tasks, edits, limit)
        plan = scorecard.Plan(n_tasks=limit, block_sizes=sizes, with_sweep=sweep, seed=seed, device=device, **asked)
        documents = reading.read(corpus or default_corpus(), "heldout")
        found = scorecard.scorecard(folder, documents, plan, lambda step: print(step, file=sys.stderr, flush=True))
    except (scorecard.BadPlan, reading.CorpusError) as error:
        raise BadInput(str(error)) from None
    _report(found if as_json else dict(scorecard.flat(found)), as_json)


@app.command(epilog="Example: seedfill train instruct-set --out edits.jsonl")
def instruct_set(
    out: Annotated[Path, typer.Option(help="The task file to write.")],
    corpus: CorpusFolder = None,
    per_kind: Annotated[int, typer.Option(min=1, help="Tasks of each kind of edit, where there are so many.")] = 10,
    plain: Annotated[bool, typer.Option("--plain", help="Ask in the words of an editor's menu instead.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed gives the same tasks.")] = 0,
    as_json: Json = False,
) -> None:
    """Write editing tasks from the held-out packages, in wordings kept from training, for `seedfill eval edit`."""
    from seedfill.training.data import corpus as reading
    from seedfill.training.data.instruct.taskset import make_tasks

    try:
        documents = reading.read(corpus or default_corpus(), "heldout")
    except reading.CorpusError as error:
        raise BadInput(str(error)) from None
    tasks = list(make_tasks(documents, per_kind, seed, "first" if plain else "heldout"))
    try:
        out.write_text("".join(json.dumps(task) + "\n" for task in tasks), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror}.") from None
    _report({"tasks": len(tasks), "kinds": len({task["kind"] for task in tasks}), "file": str(out)}, as_json)


@app.command(epilog="Example: seedfill train notice > sampler/weights/NOTICE")
def notice() -> None:
    """Print the NOTICE that goes with weights trained on the manifest's packages."""
    from seedfill.training.data import corpus as reading

    print(reading.notice(reading.read_manifest()), end="")


@app.command(epilog="Example: seedfill train plot trunk --out docs/training/trunk.png")
def plot(
    name: Annotated[str, typer.Argument(help="A recipe that has a log in its folder.")],
    out: Annotated[Path, typer.Option(help="The PNG to write.")],
    folder: Annotated[Path | None, typer.Option(help="Where the log is (default: the state folder).")] = None,
) -> None:
    """Plot the log's losses over tokens. Needs the `train` extra."""
    from seedfill.training.studies import plots

    log = (folder or state_folder(name)) / "log.jsonl"
    if not log.is_file():
        raise BadInput(f"There is no log at {log}; `seedfill train run {name}` writes one.")
    plots.plot_losses(log, out, name)


def _report(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures))
    else:
        for key, value in figures.items():
            print(f"{key}: {value}")
