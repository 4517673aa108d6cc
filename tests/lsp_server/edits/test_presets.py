"""What editors offer by name: in the words that models are trained on, and only where the code has something for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lsp_server.edits.presets import PRESETS, Preset, offered
from seedfill.training.data.instruct.wordings import WORDINGS, wordings

GOLDEN = Path(__file__).parents[2] / "golden" / "instruct"
BY_KIND = {preset.kind: preset for preset in PRESETS}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.kind)
def test_a_preset_says_what_models_are_trained_on(preset: Preset) -> None:
    trained = [wordings()[kind].train for kind in preset.kinds]
    assert all(preset.instruction in texts for texts in trained)
    if not preset.covers:
        assert preset.instruction == next(text for text in trained[0] if "{" not in text), "the plainest of them"


def test_every_kind_that_can_be_asked_for_without_a_fact_is_there() -> None:
    import tomllib

    body = tomllib.loads(WORDINGS.read_text())
    plain = {kind for kind, own in body["kind"].items() if any("{" not in text for text in own["train"])}
    named = {kind for preset in PRESETS if not preset.covers for kind in preset.kinds}
    assert plain - named == {"bug"}, "which has the words of the group"
    groups = {name: tuple(group["kinds"]) for name, group in body["group"].items()}
    assert {preset.kind: preset.covers for preset in PRESETS if preset.covers} == groups


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_a_preset_is_offered_where_there_is_work_for_it(path: Path) -> None:
    after, before = path.read_text().split("--- was\n")[:2]
    if path.stem in BY_KIND:
        assert BY_KIND[path.stem].fits(before)
        assert [preset.kind for preset in offered({path.stem: 0.6}, before)] == [path.stem]
    assert offered({path.stem: 0.599}, before) == []
    assert after


def test_what_the_code_has_nothing_for_is_not_offered() -> None:
    rates = dict.fromkeys(BY_KIND, 1.0)
    assert [preset.kind for preset in offered(rates, "x.y()\n")] == [
        *("fix", "simplify", "cleanup", "error_handling", "logging"),
    ]
    assert {"identity_with_none", "wrong_condition"} <= {preset.kind for preset in offered(rates, "if x == None:\n")}


def test_titles_are_names_of_their_own() -> None:
    titles = [preset.title for preset in PRESETS]
    assert len(set(titles)) == len(titles) == len(BY_KIND)
    assert all(re.fullmatch(r"[A-Z].{3,40}[^.]", title) for title in titles)
