"""A model is not trusted with what it was never asked: words that it does not know make an edit count for nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lsp_server.edits.presets import PRESETS
from sampler.engine.instruction_nll import surprise
from sampler.engine.job import Job
from sampler.engine.scheduler import Scheduler
from sampler.model import checkpoint
from sampler.model.checkpoint import LoadedModel
from sampler.protocol.messages import Edit, Event, InfillRequest, InfillResult
from sampler.protocol.paths import default_model_folder
from tests.sampler.decoding.test_denoise import MODEL

EDIT = InfillRequest(document="d", pieces=("", "\n"), instruction="add one", edit=Edit(selection="a = 1"), max_tokens=9)


@pytest.fixture(scope="module")
def shipped() -> LoadedModel:
    return checkpoint.load(default_model_folder())


def confidence(request: InfillRequest, ceiling: float | None) -> float:
    profile = dataclasses.replace(MODEL.profile, surprise_ceiling=ceiling)
    scheduler, events = Scheduler(), list[Event]()
    scheduler.admit(Job(request, events.append), dataclasses.replace(MODEL, profile=profile))
    while scheduler.active:
        scheduler.round()
    (result,) = (event for event in events if isinstance(event, InfillResult))
    return result.candidates[0].confidence


@pytest.mark.parametrize(
    ("ceiling", "changes", "counts"),
    [
        (None, {}, True),
        (100.0, {}, True),
        (0.1, {}, False),
        (0.1, {"instruction": ""}, True),
        (0.1, {"edit": None}, True),
        (0.1, {"edit": Edit(selection="a = 1", start="masks")}, True),
    ],
)
def test_only_an_edit_in_unknown_words_counts_for_nothing(
    ceiling: float | None, changes: dict[str, Any], counts: bool
) -> None:
    assert bool(confidence(dataclasses.replace(EDIT, **changes), ceiling)) is counts


def test_what_the_shipped_model_is_offered_for_it_knows(shipped: LoadedModel) -> None:
    from lsp_server.workspace.model_facts import model_facts

    ceiling = shipped.profile.surprise_ceiling
    names = model_facts(None).presets
    for preset in PRESETS:
        if ceiling is not None and preset.kind in names:
            assert surprise(shipped, preset.instruction, "python") < ceiling, preset.instruction


def test_words_that_nobody_wrote_surprise_more_than_code_does(shipped: LoadedModel) -> None:
    assert surprise(shipped, "qua xylem vortex gnu", "python") > surprise(shipped, "return self", "python") > 0
    assert surprise(shipped, "", "python") == 0.0
