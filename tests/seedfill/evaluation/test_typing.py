"""The typing replay: what is typed, in which time, and what is counted of a sampler whose answers are known."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path

import pytest

from lsp_server.process.machine import Machine
from lsp_server.process.sampler_connection import Report
from lsp_server.session import Server
from lsp_server.workspace.settings import SamplerSettings
from sampler.protocol.messages import Candidate, InfillRequest, InfillResult
from seedfill import cli
from seedfill.evaluation.duplicates import repeats_suffix
from seedfill.evaluation.keystrokes import File, Session, pause_s, sessions, strokes
from seedfill.evaluation.typing import Tally, Timeless, replay
from seedfill.evaluation.virtual_time import VirtualTimeLoop, running_loop
from tests.support.tiny_model import make_tiny_model

FILE = File("a.py", "python", Path(cli.__file__).read_text())


def test_waits_are_jumped_over_and_work_takes_its_time() -> None:
    async def wait_and_work() -> tuple[float, float]:
        start = running_loop().time()
        await asyncio.gather(asyncio.sleep(1000), asyncio.sleep(500))
        waited = running_loop().time() - start
        with running_loop().working():
            await asyncio.sleep(0.05)
        return waited, running_loop().time() - start - waited

    started = time.monotonic()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        waited, worked = runner.run(wait_and_work())
    elapsed = time.monotonic() - started
    assert 1000 <= waited < 1001
    assert 0.05 <= worked <= elapsed < 60


def test_a_new_line_comes_with_its_indentation() -> None:
    assert strokes("if x:\n    y\n") == ["i", "f", " ", "x", ":", "\n    ", "y", "\n"]


def test_two_thirds_of_the_keys_are_in_the_middle() -> None:
    typed = sessions([FILE, FILE], 300, seed=1)
    n_middle = sum(len(strokes(session.target)) for session in typed if session.after)
    n_end = sum(len(strokes(session.target)) for session in typed if not session.after)
    assert (n_middle, n_end) == (200, 100)
    for session in typed:
        whole = session.before + session.target + session.after
        assert whole == FILE.text if session.after else FILE.text.startswith(whole)
    assert typed == sessions([FILE, FILE], 300, seed=1) != sessions([FILE, FILE], 300, seed=2)


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_blank_file_is_not_typed(text: str) -> None:
    assert sessions([File("a.py", "python", text)], 100, seed=0) == []


def test_a_short_file_is_typed_again_and_again() -> None:
    assert sum(len(strokes(one.target)) for one in sessions([File("a.py", "python", "x")], 30, seed=0)) == 30


def test_the_pace_is_a_persons() -> None:
    rng = random.Random(0)
    gaps = [pause_s(rng, "a") for _ in range(2000)]
    assert 0.2 < sum(gaps) / len(gaps) < 0.26
    assert sum(pause_s(rng, "\n    ") for _ in range(2000)) / 2000 > 0.8


@pytest.mark.parametrize(
    ("marked", "text", "repeats"),
    [
        ("f(║)", "x)", True),
        ("f(║)", "x", False),
        ("f(║)", "g(x)", False),
        ("f(g(║)", "x)", False),
        ("f(g(║))", "x)", True),
        ("x = ║ + total", "a + total", True),
        ("x = ║\nreturn x\n", "1\nreturn x", True),
        ("x = ║\n\nreturn x\n", "1\n\nreturn x\n", True),
        ("x = ║\nreturn x\n", "1\nreturn y", False),
        ("║\n    return x\n", "    return x", True),
        ("if a:\n    ║\n    b()\n", "b()", True),
        ("f(║\n)\n", "[\n    1,\n]\n)", True),
        ("f║\n)\n", "(\n    1,\n)", False),
    ],
)
def test_what_repeats_the_suffix(marked: str, text: str, repeats: bool) -> None:
    before, _, after = marked.partition("║")
    assert repeats_suffix(text, before, after) is repeats


class Oracle:
    """Answers with what `whole` goes on with, at most to the end of the line, spoilt by `spoil`."""

    def __init__(self, whole: str, *, seconds: float = 0.0, spoil: str = "") -> None:
        self.whole, self.seconds, self.spoil = whole, seconds, spoil

    def __call__(self, settings: SamplerSettings, report: Report) -> Oracle:
        assert settings.mode == "private"
        return self

    async def infill(self, request: InfillRequest, **_: object) -> InfillResult:
        await asyncio.sleep(self.seconds)
        rest = self.whole.removeprefix(request.pieces[0])
        fill = rest.partition("\n")[0] + self.spoil
        candidate = Candidate(fills=(fill,), tokens=2, forwards=4, confidence=1.0, finish="end")
        return InfillResult(
            candidates=(candidate,), model="", device="", ms=1, load_ms=0, tokens_computed=1, cache_miss="none"
        )

    async def forget(self, documents: object) -> None:
        pass

    async def health(self, *, start: bool = False) -> object:
        return None

    async def close(self) -> None:
        return None


LINES = "first = compute(one, two)\nsecond = compute(first)\nprint(second)\n"
AT_END = Session(file=File("a b.py", "python", LINES), before="", target=LINES, after="")


def typed(oracle: Oracle, *, session: Session = AT_END, **completion: object) -> Tally:
    return replay([session], options={"completion": {"debounceMs": 0, **completion}}, connect=oracle)


def test_a_perfect_sampler_saves_nearly_every_key() -> None:
    figures = typed(Oracle(LINES)).figures()
    assert (figures["keys_typed"], figures["suggestions_accepted"]) == (3, 3)
    assert figures["keys_typed"] + figures["keys_saved"] + figures["suggestions_accepted"] == len(LINES)
    assert (figures["wrong_shown_rate"], figures["suffix_duplicates"], figures["kv_hit_rate"]) == (0.0, 0, 1.0)
    assert figures["forwards_per_accepted_char"] == pytest.approx(4 * figures["sampler_results"] / (len(LINES) - 3))


def test_a_wrong_suggestion_is_shown_once_however_far_it_is_typed() -> None:
    figures = typed(Oracle(LINES, spoil=" # no")).figures()
    assert figures["keys_saved"] == 0
    assert figures["keys_typed"] == len(LINES)
    assert figures["wrong_shown_rate"] == 1.0
    assert figures["suggestions_shown"] < 10
    assert figures["cache_hit_rate"] > 0.8


def test_a_slow_sampler_is_charged() -> None:
    figures = typed(Oracle(LINES, seconds=0.05), speculative=False).figures()
    assert 50 <= figures["ms_p50"] < 10_000


class Imagined(Oracle, Timeless):
    """Its waits are virtual: how busy the machine is does not matter."""


def test_what_was_prepared_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "why_spare", lambda machine: None)  # whoever runs the tests may be busy
    prepared, asked = (
        replay(
            [AT_END],
            options={"completion": {"debounceMs": 0, "speculative": speculative}},
            connect=Imagined(LINES, seconds=0.05),
            clock=time.process_time,
        ).figures()
        for speculative in (True, False)
    )
    assert prepared["cache_hit_rate"] > asked["cache_hit_rate"]
    assert prepared["ms_p50"] < asked["ms_p50"]


def test_a_suggestion_that_goes_on_behind_the_last_key_is_right() -> None:
    session = Session(file=AT_END.file, before="", target=LINES[:12], after="", beyond=LINES[12:])
    figures = typed(Oracle(LINES), session=session).figures()
    assert (figures["suggestions_accepted"], figures["wrong_shown_rate"]) == (1, 0.0)
    assert figures["keys_typed"] + figures["keys_saved"] + figures["suggestions_accepted"] == 12


class Hesitant(Oracle, Timeless):
    """Makes a pass at once, and the next one later than anybody waits."""

    async def infill(self, request: InfillRequest, **_: object) -> InfillResult:
        for seconds in (0, 1000):
            await asyncio.sleep(seconds)
            self.n_forwards += 1
        return await super().infill(request)


def test_passes_for_nothing_are_counted() -> None:
    options = {"completion": {"debounceMs": 0, "speculative": False}}
    tally = replay([AT_END], options=options, connect=Hesitant(LINES), clock=time.process_time)
    assert tally.forwards == tally.sampler_requests == len(LINES)
    assert not tally.cache_misses


def test_parts_can_be_taken_from_the_server() -> None:
    def without_memory(ours: Server) -> None:
        ours.suggestions.types_through = False

    options = {"completion": {"debounceMs": 0, "speculative": False}}
    spoilt = Oracle(LINES, spoil=" # no")
    tally = replay([AT_END], options=options, connect=spoilt, prepare=without_memory, clock=time.process_time)
    assert tally.from_memory == 0
    assert tally.sampler_requests > len(LINES) / 2


def test_what_is_not_measured_is_none() -> None:
    figures = typed(Oracle(LINES), enabled=False).figures()
    assert figures["suggestions_shown"] == 0
    for name in ("wrong_shown_rate", "cache_hit_rate", "forwards_per_accepted_char", "ms_p50", "ms_p95"):
        assert figures[name] is None


def test_the_command_types_through_the_real_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDFILL_MODEL", str(make_tiny_model(tmp_path / "tiny")))
    file = tmp_path / "short.py"
    file.write_text(LINES)
    assert cli.run(["eval", "typing", str(file), "--keys", "12", "--set", "completion.maxTokens=4", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["keys_typed"] <= 12
    assert figures["suffix_duplicates"] == 0
    assert figures["sampler_requests"] > 0
    assert file.read_text() == LINES


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["none.py"], "There is no file none.py"),
        (["blank.py"], "There is nothing to retype"),
        (["blank.py", "--set", "debounceMs=3"], "--set takes SECTION.NAME=VALUE"),
        (["blank.py", "--keys", "0"], "--keys"),
        ([], "Missing argument"),
    ],
)
def test_bad_usage(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("blank.py").write_text("\n")
    assert cli.run(["eval", "typing", *arguments]) == 2
    assert complaint in capsys.readouterr().err
