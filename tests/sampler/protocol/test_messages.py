"""The seam's codec: what goes in comes out, and what is malformed is named in one sentence."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.protocol.messages import (
    BadMessage,
    Candidate,
    Edit,
    Event,
    Failure,
    InfillRequest,
    InfillResult,
    Loading,
    Policy,
    Progress,
    Snippet,
    event_from_json,
    request_from_json,
    to_json,
)

texts = st.text(st.characters(), max_size=20)
fractions = st.floats(0, 1)
counts = st.integers(0, 1 << 40)
candidates = st.builds(
    Candidate,
    fills=st.lists(texts, min_size=1, max_size=3).map(tuple),
    tokens=counts,
    forwards=counts,
    confidence=fractions,
    finish=st.sampled_from(["end", "length", "deadline", "cancelled"]),
)
events = st.one_of(
    st.builds(Loading, model=texts, fraction=fractions),
    st.builds(Progress, fills=st.lists(texts).map(tuple)),
    st.builds(Failure, kind=st.sampled_from(["bad_input", "failed", "cancelled"]), message=texts),
    st.builds(
        InfillResult,
        candidates=st.lists(candidates).map(tuple),
        model=texts,
        device=texts,
        ms=fractions,
        load_ms=fractions,
        tokens_computed=counts,
        cache_miss=st.sampled_from(["none", "cold", "prefix", "suffix", "snippets", "evicted", "uncached"]),
    ),
)
edits = st.builds(
    Edit,
    selection=texts,
    locks=st.sampled_from([(), ((0, 0),)]),
    threshold=st.none() | fractions,
)
requests = st.builds(
    InfillRequest, document=texts, pieces=st.tuples(texts, texts), edit=edits, instruction=texts
) | st.builds(
    InfillRequest,
    document=texts,
    pieces=st.lists(texts, min_size=2, max_size=9).map(tuple),
    snippets=st.lists(st.builds(Snippet, path=texts, text=texts), max_size=2).map(tuple),
    one_line=st.booleans(),
    max_tokens=st.integers(1, 1024),
    deadline_ms=st.none() | st.floats(0, 1e6),
    policy=st.sampled_from([None, "threshold", "entropy", "margin", "fixed", "verified", "sequential"]),
    threshold=st.none() | fractions,
    model=st.none() | texts,
)


@given(requests)
@settings(deadline=None)
def test_requests_survive_the_wire(request: InfillRequest) -> None:
    assert request_from_json(json.loads(json.dumps(to_json(request)))) == request


@given(events)
@settings(deadline=None)
def test_events_survive_the_wire(event: Event) -> None:
    assert event_from_json(json.loads(json.dumps(to_json(event)))) == event


WHOLE: dict[str, Any] = {"document": "a.py", "pieces": ["x", "y"]}
POLICIES = f"policy must be one of {', '.join(get_args(Policy))}."


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pieces": None}, "pieces must be a list."),
        ({"pieces": [1, 2]}, "Each of pieces must be a string."),
        ({"pieces": ["x"] * 10}, "A request needs 1 to 8 spans."),
        ({"document": 7}, "document must be a string."),
        ({"max_tokens": True}, "max_tokens must be an integer."),
        ({"max_tokens": 1.5}, "max_tokens must be an integer."),
        ({"max_tokens": 0}, "max_tokens must be from 1 to 1024."),
        ({"n_candidates": 17}, "n_candidates must be from 1 to 16."),
        ({"seed": -1}, "seed must be from 0 to 2**63 - 1."),
        ({"seed": 1 << 63}, "seed must be from 0 to 2**63 - 1."),
        ({"temperature": float("nan")}, "temperature must be from 0 to 100."),
        ({"temperature": "hot"}, "temperature must be a number."),
        ({"top_p": 0}, "top_p must be above 0 and at most 1."),
        ({"deadline_ms": float("nan")}, "deadline_ms must not be negative."),
        ({"deadline_ms": True}, "deadline_ms must be a number."),
        ({"threshold": 2}, "threshold must be from 0 to 1."),
        ({"block_size": 0}, "block_size must be from 1 to 128."),
        ({"one_line": 1}, "one_line must be true or false."),
        ({"policy": "luck"}, POLICIES),
        ({"policy": ["threshold"]}, POLICIES),
        ({"snippets": ["x"]}, "Snippet must be a JSON object."),
        ({"snippets": [{"path": "b.py"}]}, "Snippet needs the field 'text'."),
        ({"edit": {}}, "Edit needs the field 'selection'."),
        ({"edit": {"selection": "x", "locks": [[0, "1"]]}}, "Each of locks must be an integer."),
        (
            {"edit": {"selection": "x", "locks": [[0, 2]]}},
            "locks must lie within the selection, in order and without overlap.",
        ),
        ({"edit": {"selection": "x", "start": "end"}}, "start must be one of masks, selection."),
        ({"maxTokens": 3}, "InfillRequest has no field 'maxTokens'."),
    ],
)
def test_a_malformed_request_is_named(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadMessage) as error:
        request_from_json(WHOLE | change)
    assert str(error.value) == sentence


def test_requests_made_in_code_are_checked_too() -> None:
    with pytest.raises(BadMessage, match="spans"):
        InfillRequest(document="a.py", pieces=("no span",))


@pytest.mark.parametrize("body", [None, [], "x", {}, {"event": []}, {"event": "dance"}, {"event": "loading"}])
def test_a_malformed_event_is_a_bad_message(body: object) -> None:
    with pytest.raises(BadMessage):
        event_from_json(body)
