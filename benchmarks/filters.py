"""Print what the text filters do to a model's own text: `python benchmarks/filters.py FILE… [--n 200] [--model DIR]`.

At random cursors in the given files a stretch of text is taken out: the rest of a line, a piece of one, or a few lines.
The model fills it. Shown is what is left after the filters; it is right when the file goes on with it, and it doubles
the suffix when `seedfill eval typing` would say so. Each row leaves one filter out, so that its own part is seen.
"""

from __future__ import annotations

import argparse
import random
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, get_args

from rich.console import Console
from rich.table import Table

from lsp_server.postprocess import FILTERS, Filter
from sampler.engine.engine import Engine
from sampler.protocol.messages import Policy
from seedfill.commands.suggested import Suggested, suggest
from seedfill.evaluation.duplicates import repeats_suffix
from seedfill.evaluation.tasks import InfillTask


class Figures(NamedTuple):
    """Counts over all cursors, and the characters that right suggestions would have saved."""

    shown: int
    right: int
    doubled: int
    saved: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--n", type=int, default=200, help="cursors")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, default=None, help="a model's folder; the shipped one by default")
    parser.add_argument("--policy", choices=get_args(Policy), default=None, help="the model's own by default")
    given = parser.parse_args()
    texts = [text for path in given.files if len(text := path.read_text(encoding="utf-8")) > 500]
    rng = random.Random(given.seed)
    with closing(Engine(default_model=given.model)) as engine:
        tasks = [draw(str(number), rng.choice(texts), rng) for number in range(given.n)]
        answered = suggest(engine, tasks, policy=given.policy)
    table = Table(title=f"{len(answered)} cursors in {len(texts)} files")
    for heading in ("filters", "shown", "right", "wrong of shown", "suffix doubled", "characters saved"):
        table.add_column(heading, justify="left" if heading == "filters" else "right")
    rows: dict[str, tuple[Filter, ...]] = {"none": (), "all": FILTERS}
    rows |= {f"all but {one.name}": tuple(other for other in FILTERS if other != one) for one in FILTERS}
    for name, filters in rows.items():
        found = figures(answered, filters)
        wrong = 1 - found.right / found.shown if found.shown else 0.0
        table.add_row(name, *map(str, found[:2]), f"{wrong:.3f}", *map(str, found[2:]))
    Console(width=110).print(table)


def draw(name: str, text: str, rng: random.Random) -> InfillTask:
    """A cursor and what was taken out behind it."""
    while True:
        start = rng.randrange(len(text))
        line_end = (text + "\n").find("\n", start)
        kind = rng.random()
        end = line_end if kind < 0.5 else rng.randint(start, line_end)
        if kind > 0.8:
            end = (text + "\n").find("\n", min(line_end + rng.randrange(1, 120), len(text)))
        if text[start:end].strip():
            return InfillTask(task_id=name, prompt=text[:start], suffix=text[end:], gold=text[start:end])


def figures(answered: list[Suggested], filters: tuple[Filter, ...]) -> Figures:
    """What is shown under some filters, and how much of it is right."""
    shown = [(one, fill.text) for one in answered if (fill := one.filtered(filters))]
    right = [text for one, text in shown if one.goes_on_with(text)]
    doubled = [text for one, text in shown if repeats_suffix(text, one.place.before, one.place.after)]
    return Figures(len(shown), len(right), len(doubled), sum(len(text) - 1 for text in right))


if __name__ == "__main__":
    main()
