"""Settings: later layers win, and bad input is replaced by what held before, with a sentence."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.workspace.settings import Settings, settings_from


def test_nothing_given_is_the_defaults() -> None:
    assert settings_from(None, {}, {"completion": None}) == (Settings(), ())


def test_later_layers_win_field_by_field() -> None:
    settings, complaints = settings_from(
        {"completion": {"debounceMs": 10, "maxTokens": 20}, "sampler": {"mode": "private"}},
        {"completion": {"debounce_ms": 0}},
        {"sampler": {"mode": None}, "log": {"level": "debug"}},
    )
    assert not complaints
    assert (settings.completion.debounce_ms, settings.completion.max_tokens) == (0, 20)
    assert (settings.sampler.mode, settings.log.level) == ("private", "debug")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (
            {"completion": {"debounceMs": -1}},
            "completion.debounceMs: -1 is not a whole number from 0 to 5000, using None",
        ),
        (
            {"completion": {"maxTokens": True}},
            "completion.maxTokens: True is not a whole number from 1 to 512, using 64",
        ),
        ({"completion": {"languages": "c"}}, "completion.languages: 'c' is not a list of strings, using ('python',)"),
        ({"completion": {"enabled": 1}}, "completion.enabled: 1 is not true or false, using True"),
        ({"sampler": {"mode": ["x"]}}, "sampler.mode: ['x'] is not 'shared' or 'private', using 'shared'"),
        ({"sampler": {"model": 3}}, "sampler.model: 3 is not a string, using None"),
    ],
)
def test_a_bad_value_is_replaced_and_named(given: object, complaint: str) -> None:
    assert settings_from(given) == (Settings(), (f"Invalid setting {complaint}.",))


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"sampler": {"speed": 3}}, "Unknown setting sampler.speed, ignored."),
        ({"completion": []}, "Invalid settings completion: not an object, ignored."),
        ("fast", "Invalid settings of the client: not an object, ignored."),
    ],
)
def test_what_is_no_setting_is_ignored_and_named(given: object, complaint: str) -> None:
    assert settings_from(given) == (Settings(), (complaint,))


def test_one_bad_setting_leaves_the_others() -> None:
    settings, complaints = settings_from({"completion": {"debounceMs": "slow", "maxTokens": 5}})
    assert settings.completion.max_tokens == 5
    assert len(complaints) == 1


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().log = None  # type: ignore[misc,assignment]


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["completion", "mode", "sampler", "x"]), inner),
)


@given(json_values)
def test_any_json_gives_settings(value: Any) -> None:
    settings_from(value, {"completion": value, "sampler": {"mode": value, "model": value}})
