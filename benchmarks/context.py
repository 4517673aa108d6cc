"""Print what parts of the context are worth: `python benchmarks/context.py FILE… [--n 200] [--model DIR]`.

Cursors are drawn in the given files, at random characters of lines of code that stand deep in them; the rest of the
line is what belongs there. For each kind of context the model's own next-token reading of that rest is scored: bits
a character, less is better, and the share of tokens it puts first. Snippets take from the budget of the prefix window,
imports and scopes stand above it. The files are each other's neighbours; give files that the model was not trained on.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections.abc import Callable
from pathlib import Path, PurePath

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.reading import bits, read
from lsp_server.context.outline import outlined
from lsp_server.context.snippets import Neighbour, pick, snippets_cost
from lsp_server.workspace.folders import path_in_workspace
from sampler.model import layout
from sampler.model.checkpoint import LoadedModel, load
from sampler.protocol.messages import Snippet
from sampler.protocol.paths import default_model_folder
from sampler.text.windows import PREFIX_CHARACTERS, prefix_window, suffix_window

Prefix = Callable[[str, int], str]


class Cursor:
    """A place in a file, and the rest of its line."""

    def __init__(self, file: Neighbour, start: int, end: int) -> None:
        self.file = file
        self.before, self.gold, self.after = file.text[:start], file.text[start:end], file.text[end:]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--n", type=int, default=200, help="cursors")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, default=None, help="a model's folder; the shipped one by default")
    given = parser.parse_args()
    files = [Neighbour(PurePath(path), path.read_text(encoding="utf-8")) for path in given.files]
    cursors = draw(files, given.n, random.Random(given.seed))
    model = load(given.model or default_model_folder())
    kinds: dict[str, tuple[Prefix, bool]] = {
        "window": (prefix_window, False),
        "window, imports and scopes": (outlined, False),
        "window and snippets": (prefix_window, True),
        "window, imports, scopes and snippets": (outlined, True),
    }
    table = Table(title=f"{len(cursors)} cursors in {len(files)} files, {model.id}")
    for heading in ("context", "bits a character", "against the window", "first choice", "tokens of context"):
        table.add_column(heading, justify="left" if heading == "context" else "right")
    alone: list[float] = []
    for name, kind in kinds.items():
        costs, first, length = score(model, cursors, files, *kind)
        alone = alone or costs
        per_character = sum(costs) / sum(len(cursor.gold) for cursor in cursors)
        table.add_row(name, f"{per_character:.3f}", gain(costs, alone, cursors), f"{first:.3f}", f"{length:.0f}")
    Console(width=120).print(table)


def gain(costs: list[float], alone: list[float], cursors: list[Cursor]) -> str:
    """How many bits a character fewer or more, and the standard error of that, from differences cursor by cursor."""
    mean_length = sum(len(cursor.gold) for cursor in cursors) / len(cursors)
    differences = [(one - other) / mean_length for one, other in zip(costs, alone, strict=True)]
    if len(differences) < 2:
        return ""
    return f"{statistics.mean(differences):+.3f} ± {statistics.stdev(differences) / math.sqrt(len(differences)):.3f}"


def draw(files: list[Neighbour], n: int, rng: random.Random) -> list[Cursor]:
    """Cursors in lines with code, in files weighted by length, deep enough that the window leaves something out."""
    long = [file for file in files if len(file.text) > 2 * PREFIX_CHARACTERS]
    cursors: list[Cursor] = []
    while long and len(cursors) < n:
        file = rng.choices(long, weights=[len(file.text) for file in long])[0]
        at = rng.randrange(PREFIX_CHARACTERS, len(file.text))
        end = file.text.find("\n", at)
        if end - at >= 4 and file.text[at:end].strip():
            cursors.append(Cursor(file, at, end))
    return cursors


def score(
    model: LoadedModel, cursors: list[Cursor], files: list[Neighbour], prefix: Prefix, with_snippets: bool
) -> tuple[list[float], float, float]:
    """Bits of each cursor's gold, the share of its tokens that came first, tokens of context on average."""
    costs, n_first, n_tokens, length = [], 0, 0, 0
    for cursor in cursors:
        context = _context(model, cursor, files, prefix, with_snippets)
        gold = [*model.tokenizer.encode(cursor.gold), model.tokenizer.id("<span_end>")]
        log_probs = read(model, context, gold)
        costs.append(bits(log_probs, gold))
        n_first += int((log_probs.argmax(-1) == torch.tensor(gold)).sum())
        n_tokens += len(gold)
        length += len(context)
    return costs, n_first / n_tokens, length / len(cursors)


def _context(
    model: LoadedModel, cursor: Cursor, files: list[Neighbour], prefix: Prefix, with_snippets: bool
) -> list[int]:
    others = [file for file in files if file is not cursor.file]
    shown: tuple[Snippet, ...] = pick(cursor.before, cursor.after, others) if with_snippets else ()
    tokenizer = model.tokenizer
    path = path_in_workspace(cursor.file.path, ())
    head = layout.header(tokenizer, language="python", path=path, snippets=shown)
    before = prefix(cursor.before, PREFIX_CHARACTERS - snippets_cost(shown))
    pieces = (tokenizer.encode(before), tokenizer.encode(suffix_window(cursor.after)))
    room = model.max_positions - len(head) - len(pieces[1]) - 64
    return layout.suffix_first(tokenizer, head, pieces[0][-room:], pieces[1]).tokens


if __name__ == "__main__":
    main()
