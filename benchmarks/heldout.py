"""Write files and tasks of packages that were never trained on: `python benchmarks/heldout.py OUT [--corpus DIR]`.

The held-out packages are halved. One half is written as it is, OUT/files/PACKAGE/…, and a few of its files are chosen,
whose names are printed, to be given to the other benchmarks. Of the other half tasks are drawn, OUT/tasks.jsonl,
cursors in the middle of typing, to calibrate a model's confidence with. What is chosen by the tasks is so never
measured on the text that it was chosen by. Whole lines to fill are drawn of both: OUT/lines.jsonl of the first, to
measure with, OUT/lines-to-choose-by.jsonl of the other.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

from seedfill.commands.train.command import default_corpus
from seedfill.evaluation.keystrokes import File, sessions, strokes
from seedfill.training.data.corpus import CorpusError, Document, read

FILE_CHARACTERS = range(2_000, 30_000)
"""Of a file that is chosen: enough to be typed in, and not so much that one file is all that is measured."""
KEYS_A_TASK = 40
"""As many keys are drawn in a file as give one cursor among them."""
SOLUTION_CHARACTERS = 1000
"""Of a file that is continued at its end."""


def main() -> None:
    """Choose and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="a folder, made where it is missing")
    parser.add_argument("--corpus", type=Path, default=default_corpus(), help="the folder of `seedfill train corpus`")
    parser.add_argument("--files", type=int, default=3, help="files of each package")
    parser.add_argument("--tasks", type=int, default=400, help="tasks in all")
    parser.add_argument("--lines", type=int, default=300, help="whole lines of each half")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        documents = read(given.corpus, "heldout")
    except CorpusError as error:
        parser.error(str(error))
    packages = by_package(documents)
    rng = random.Random(given.seed)
    measured, asked = halves(packages)
    chosen = [one for name in measured for one in rng.sample(packages[name], min(given.files, len(packages[name])))]
    for document in documents:
        if document.package in measured:
            path = place(given.out, document)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(document.text, encoding="utf-8")
    first = [one for name in measured for one in packages[name]]
    other = [one for name in asked for one in packages[name]]
    drawn = {
        "tasks": tasks(other, given.tasks, rng),
        "lines": lines(first, given.lines, rng),
        "lines-to-choose-by": lines(other, given.lines, rng),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    for name, found in drawn.items():
        (given.out / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in found), encoding="utf-8")
    summary = f"{len(chosen)} files of {', '.join(measured)}; {given.tasks} tasks of {', '.join(asked)}"
    print(summary, file=sys.stderr)
    print(*(place(given.out, document) for document in chosen), sep="\n")


def place(out: Path, document: Document) -> Path:
    """Where a document is written."""
    return out / "files" / document.package / PurePosixPath(document.path)


def by_package(documents: list[Document]) -> dict[str, list[Document]]:
    """The documents of a suitable length, by their packages."""
    found: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        if len(document.text) in FILE_CHARACTERS:
            found[document.package].append(document)
    return found


def halves(packages: dict[str, list[Document]]) -> tuple[list[str], list[str]]:
    """Two lists of names, of like sizes: by falling size, in turns."""
    names = sorted(packages, key=lambda name: (-len(packages[name]), name))
    return sorted(names[::2]), sorted(names[1::2])


def tasks(documents: list[Document], n: int, rng: random.Random) -> list[dict[str, Any]]:
    """Cursors of a person who types, in HumanEval-Infilling's format; the solution is what is still to be typed."""
    drawn: list[dict[str, Any]] = []
    while len(drawn) < n:
        document = rng.choice(documents)
        file = File(document.path, document.language, document.text)
        session = rng.choice(sessions([file], KEYS_A_TASK, rng.randrange(1 << 30)))
        keys = strokes(session.target)
        start = len(session.before) + len("".join(keys[: rng.randrange(len(keys))]))
        end = len(document.text) - len(session.after) if session.after else start + SOLUTION_CHARACTERS
        solution = document.text[start:end]
        drawn.append(task(document, len(drawn), document.text[:start], solution, session.after))
    return drawn


def lines(documents: list[Document], n: int, rng: random.Random) -> list[dict[str, Any]]:
    """Lines with code on them that are missing whole, as in HumanEval-Infilling's SingleLine, whose format it is."""
    drawn: list[dict[str, Any]] = []
    while len(drawn) < n:
        document = rng.choice(documents)
        there = document.text.splitlines(keepends=True)
        at = rng.randrange(len(there))
        if there[at].strip() and not there[at].lstrip().startswith("#"):
            before, after = "".join(there[:at]), "".join(there[at + 1 :])
            drawn.append(task(document, len(drawn), before, there[at], after))
    return drawn


def task(document: Document, number: int, prompt: str, solution: str, suffix: str) -> dict[str, Any]:
    """A task in HumanEval-Infilling's format."""
    task_id = f"{document.package}/{document.path}/{number}"
    return {"task_id": task_id, "prompt": prompt, "suffix": suffix, "canonical_solution": solution}


if __name__ == "__main__":
    main()
