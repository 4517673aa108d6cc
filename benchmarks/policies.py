"""Print what each policy of the editor's side is worth: `python benchmarks/policies.py FILE… [--keys 300]`.

The same keys are typed through the real language server with everything on, and then with one policy at a time off or
in another way. With --skill the sampler is a simulated one instead of the model that ships: it knows the files, is
right in so many of its answers, as often as it is sure, and takes a fixed time, so that the table is the policies'
alone. Half of its wrong answers are right ones spoilt as models do it, by a bracket too many or a repeated line. Give
files that the model was not trained on (benchmarks/heldout.py).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from lsp_server import server
from lsp_server.postprocess import FILTERS
from lsp_server.process.sampler_connection import Connect
from lsp_server.session import Server
from sampler.protocol.messages import Candidate, InfillRequest, InfillResult
from seedfill.evaluation.keystrokes import File, Session, sessions
from seedfill.evaluation.typing import Tally, Timeless, replay

READ_S, FORWARD_S = 0.03, 0.02
"""What the simulated sampler takes to read a context, and for a pass."""
CHARACTERS_A_FORWARD = 6
LINES = 3
"""Of its answers, where there is room."""
TAIL, MIN_TAIL = 400, 20
"""Characters before a cursor by which it finds the place in its files, and fewer than which tell nothing."""


class Policy(NamedTuple):
    """A row: settings, and what is done to the server besides."""

    name: str
    completion: dict[str, Any] = {}
    change: Callable[[Server], None] = lambda ours: None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--keys", type=int, default=300, help="keys typed for each row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--floor", type=float, default=None, help="the confidence floor; the model's own by default")
    parser.add_argument("--skill", type=float, default=None, help="a simulated sampler's share of right answers, 0-1")
    parser.add_argument("--rows", nargs="*", default=None, help="the first words of the rows wanted; all by default")
    given = parser.parse_args()
    texts = [path.read_text(encoding="utf-8") for path in given.files]
    files = [File(str(path.resolve()), "python", text) for path, text in zip(given.files, texts, strict=True)]
    typed = sessions(files, given.keys, given.seed)
    table = Table(title=f"{given.keys} keys in {len(files)} files, {_sampler(given.skill)}")
    for heading in ("", *COLUMNS):
        table.add_column(heading, justify="right" if heading else "left")
    for policy in policies(given.floor):
        if given.rows is None or policy.name.startswith(tuple(given.rows)):
            tally = measure(policy, typed, given.seed, connection(given.skill, texts))
            table.add_row(policy.name, *cells(tally))
    Console(width=140).print(table)


COLUMNS = (
    "keys saved",
    "shown",
    "accepted",
    "wrong",
    "doubled",
    "from memory",
    "asked",
    "passes/char",
    "p50 ms",
    "p95 ms",
)


def policies(floor: float | None) -> list[Policy]:
    """All rows; everything else is as it is for everybody, with power to spare for work ahead."""
    base = {} if floor is None else {"confidenceFloor": floor}
    return [
        Policy("all on", base),
        Policy("a wait of 0 ms", {**base, "debounceMs": 0}),
        Policy("a wait of 75 ms", {**base, "debounceMs": 75}),
        Policy("a wait of 200 ms", {**base, "debounceMs": 200}),
        Policy("no typing through", base, _no_typing_through),
        Policy("nothing prepared", {**base, "speculative": False}),
        Policy("no filters", base, partial(_with_filters, names=())),
        Policy("no parse filter", base, partial(_with_filters, names=_all_but("no_worse_parse"))),
        Policy("no floor", {"confidenceFloor": 0}),
        Policy("snippets on", {**base, "snippets": True}),
    ]


def measure(policy: Policy, typed: list[Session], seed: int, connect: Connect) -> Tally:
    """Type once."""

    def prepare(ours: Server) -> None:
        ours.suggestions.why_spare = lambda: None
        policy.change(ours)

    is_simulated = connect is not server.connect_client
    return replay(
        typed,
        seed=seed,
        options={"completion": policy.completion},
        connect=connect,
        prepare=prepare,
        clock=time.process_time if is_simulated else time.monotonic,
    )


def cells(tally: Tally) -> list[str]:
    """The figures of a row."""
    found = tally.figures()
    return [
        str(found["keys_saved"]),
        str(found["suggestions_shown"]),
        str(found["suggestions_accepted"]),
        _number(found["wrong_shown_rate"], 3),
        str(found["suffix_duplicates"]),
        _number(found["cache_hit_rate"], 3),
        str(found["sampler_requests"]),
        _number(found["forwards_per_accepted_char"], 2),
        _number(found["ms_p50"], 0),
        _number(found["ms_p95"], 0),
    ]


def connection(skill: float | None, texts: list[str]) -> Connect:
    """The shipped model's service, or a simulated one."""
    return server.connect_client if skill is None else lambda settings, report: Simulated(texts, skill)


class Simulated(Timeless):
    """Knows `texts`. The same place gets the same answer, whatever was asked before, and it thinks no other way of a
    place until the word there is finished.

    Of confidences that are `skill` on average each is met by as large a share of right answers.
    """

    def __init__(self, texts: list[str], skill: float) -> None:
        self._texts = texts
        self._skill = skill

    async def infill(self, request: InfillRequest, **_: object) -> InfillResult:
        """An answer after the time of its passes."""
        before = re.sub(r"\w+\Z", "", request.pieces[0])
        rng = random.Random(f"{before[-TAIL:]}║{request.pieces[1][:TAIL]}")
        confidence = rng.random() ** (1 / self._skill - 1)
        truth = self._truth(request)
        is_right = truth is not None and rng.random() < confidence
        fill = (truth or "") if is_right else self._wrong(truth or "", request.pieces[1], rng)
        n_forwards = 1 + len(fill) // CHARACTERS_A_FORWARD
        await asyncio.sleep(READ_S)
        for _number_of_pass in range(n_forwards):
            await asyncio.sleep(FORWARD_S)
            self.n_forwards += 1
        candidate = Candidate(fills=(fill,), tokens=1, forwards=n_forwards, confidence=confidence, finish="end")
        return InfillResult(
            candidates=(candidate,), model="", device="", ms=0, load_ms=0, tokens_computed=0, cache_miss="none"
        )

    async def forget(self, documents: object) -> None:
        """There is nothing to forget."""

    async def health(self, *, start: bool = False) -> object:
        """Nothing is to be said."""
        return None

    async def close(self) -> None:
        """Nothing is held."""

    def _truth(self, request: InfillRequest) -> str | None:
        """What stands there in one of the files, as many lines as are wanted; None at a place that is in none."""
        tail = request.pieces[0][-TAIL:]
        for text in self._texts:
            at = text.find(tail) if len(tail) >= MIN_TAIL else (0 if text.startswith(tail) else -1)
            if at >= 0:
                start = at + len(tail)
                end = text.find(request.pieces[1][:TAIL], start) if request.pieces[1] else len(text)
                return "\n".join(text[start:end].split("\n")[: 1 if request.one_line else LINES])
        return None

    def _wrong(self, truth: str, after: str, rng: random.Random) -> str:
        kind = rng.randrange(4) if truth else 3
        if kind == 0:
            return truth + ")"
        if kind == 1:
            return truth + "\n" + after.strip("\n").partition("\n")[0]
        line = rng.choice(rng.choice(self._texts).split("\n")).strip()
        return truth[: len(truth) // 2] + line if kind == 2 else line


def _sampler(skill: float | None) -> str:
    return "the shipped model" if skill is None else f"a simulated sampler that is right in {skill:.0%}"


def _no_typing_through(ours: Server) -> None:
    ours.suggestions.types_through = False


def _with_filters(ours: Server, names: tuple[str, ...]) -> None:
    ours.suggestions.filters = tuple(one for one in FILTERS if one.name in names)


def _all_but(name: str) -> tuple[str, ...]:
    return tuple(one.name for one in FILTERS if one.name != name)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    main()
