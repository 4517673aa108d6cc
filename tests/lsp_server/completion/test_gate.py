"""Restraint: who is left alone, why, and what a person's switches and a model's own facts change about it."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest

from lsp_server.completion.gate import gate
from lsp_server.context.query import Query
from lsp_server.process.machine import Machine
from lsp_server.workspace.documents import Snapshot
from lsp_server.workspace.model_facts import ModelFacts, model_facts
from lsp_server.workspace.settings import settings_from
from lsp_server.workspace.switches import Switches

PYTHON = ModelFacts(confidence_floor=0.3, languages=("python",))


def query(
    *, language: str = "python", invoked: bool = False, switches: Switches | None = None, **completion: object
) -> Query:
    return Query(
        snapshot=Snapshot(uri="file:///a", language=language, version=1, text=""),
        offset=0,
        settings=settings_from({"completion": completion})[0],
        path=PurePosixPath("/a.py"),
        invoked=invoked,
        switches=switches or Switches(),
        facts=PYTHON,
    )


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (query(), None),
        (query(enabled=False), "Suggestions are switched off."),
        (query(language="c"), "Suggestions are not switched on for 'c'."),
        (query(language="c", languages=["*"]), "The model was made for python, not for 'c'."),
        (query(language="c", invoked=True, enabled=False), None),
        (query(switches=Switches().turned(False)), "Suggestions are switched off."),
        (query(enabled=False, switches=Switches().turned(True)), None),
        (query(switches=Switches().turned(False, "python")), "Suggestions are not switched on for 'python'."),
        (query(switches=Switches().turned(False, "c")), None),
        (query(switches=Switches().snoozed(190.0)), "Suggestions are snoozed for another 2 min."),
        (query(switches=Switches().snoozed(100.0)), None),
        (query(switches=Switches().snoozed(190.0).turned(True)), None),
    ],
)
def test_a_gate_that_is_closed_has_a_reason(asked: Query, reason: str | None) -> None:
    assert gate(asked, now=100.0) == reason


@pytest.mark.parametrize(
    ("asked", "floor"),
    [(query(), 0.3), (query(confidenceFloor=0), 0.0), (query(confidenceFloor=0.5), 0.5), (query(invoked=True), 0.0)],
)
def test_the_floor_is_the_persons_or_the_models(asked: Query, floor: float) -> None:
    assert asked.confidence_floor == floor


@pytest.mark.parametrize(
    ("config", "facts"),
    [
        ({"seedfill": {"confidence_floor": 0.25, "languages": ["python", "c"]}}, (0.25, ("python", "c"))),
        ({"seedfill": {}}, (0.0, ())),
        ({"seedfill": {"confidence_floor": "high"}}, (0.0, ())),
        ({}, (0.0, ())),
        (3, (0.0, ())),
    ],
)
def test_a_model_says_its_floor_and_languages(
    config: object, facts: tuple[float, tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("SEEDFILL_MODEL", str(tmp_path))
    expected = ModelFacts(confidence_floor=facts[0], languages=facts[1])
    assert model_facts(None) == model_facts(str(tmp_path)) == expected
    assert model_facts(str(tmp_path / "none")) == ModelFacts()


@pytest.mark.parametrize(
    ("plugged", "spare", "reason"),
    [
        (False, 90.0, "The machine runs on battery."),
        (True, 90.0, None),
        (None, 5.0, "The machine is busy."),
    ],
)
def test_power_to_spare(
    plugged: bool | None, spare: float, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine that runs the tests is what it is, so that its figures are given."""
    import psutil

    battery = None if plugged is None else SimpleNamespace(power_plugged=plugged)
    times = psutil.cpu_times_percent(interval=None)._replace(idle=spare, user=100 - spare, nice=0, iowait=0)
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
    monkeypatch.setattr(psutil, "cpu_times_percent", lambda interval: times)
    assert Machine().why_spare() == reason


def test_the_machine_can_be_looked_at() -> None:
    assert Machine().why_spare() in (None, "The machine runs on battery.", "The machine is busy.")
