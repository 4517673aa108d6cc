"""The seam between an editor's side and the resident sampler: text and offsets, no tensors, no LSP positions.

A request and every event of its answer are plain JSON objects; `to_json` and `from_json` are the only
codec. An answer is a stream of events, one JSON object a line, that ends with exactly one `InfillResult`
or one `Failure`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, TypeAlias, TypeVar, cast, get_args, get_origin, get_type_hints

PROTOCOL_VERSION = 5
"""Client and service must agree on it; a service that speaks another one is drained and replaced."""

MAX_SPANS = 8
"""Spans of one request: as many as the layout has `<hole_i>` tokens."""

MAX_REQUEST_BYTES = 8 << 20
"""Of an encoded request; the windows of a document take a thousandth of it."""

Finish: TypeAlias = Literal["end", "length", "deadline", "cancelled"]
Policy: TypeAlias = Literal["threshold", "entropy", "margin", "fixed", "verified", "fused", "lookup", "sequential"]
CacheMiss: TypeAlias = Literal["none", "cold", "prefix", "suffix", "snippets", "evicted", "uncached"]
FailureKind: TypeAlias = Literal["bad_input", "failed", "cancelled"]
Start: TypeAlias = Literal["masks", "selection"]
Message = TypeVar("Message")


class BadMessage(ValueError):
    """A message that does not have the shape it should; its text is one sentence for a person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snippet:
    """A piece of another file of the same project, shown to the model before the document."""

    path: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """Old text between the two pieces of a request, to be written anew as the request's instruction says."""

    selection: str
    locks: tuple[tuple[int, ...], ...] = ()
    """Stretches (start, end) of the selection, in characters, that stay as they are: in order, without overlap."""
    start: Start = "selection"
    """What the new text starts from: the old one, of which only what the model wants otherwise changes, or nothing."""
    threshold: float | None = None
    """How sure the model must be of something else for an old token to change; None: the model's own way."""

    def __post_init__(self) -> None:
        edges = [edge for lock in self.locks for edge in lock]
        for complaint, holds in (
            ("Each of locks must be a start and an end.", all(len(lock) == 2 for lock in self.locks)),
            (
                "locks must lie within the selection, in order and without overlap.",
                edges == sorted(edges) and all(0 <= edge <= len(self.selection) for edge in edges),
            ),
            ("locks need the start 'selection'.", not self.locks or self.start == "selection"),
            ("threshold must be from 0 to 1.", self.threshold is None or 0 <= self.threshold <= 1),
        ):
            if not holds:
                raise BadMessage(complaint)


@dataclass(frozen=True, kw_only=True, slots=True)
class InfillRequest:
    """Fill the k spans between the k + 1 `pieces` of one document, or with `edit` rewrite what stands between two.

    `pieces` is (prefix, suffix) for a cursor; the text of `document` that the model may see, already cut to
    windows. `document` names the cache slot: the same string for the same buffer of the same client.
    """

    document: str
    pieces: tuple[str, ...]
    language: str = "python"
    path: str = ""
    snippets: tuple[Snippet, ...] = ()
    instruction: str = ""
    edit: Edit | None = None
    n_candidates: int = 1
    max_tokens: int = 64
    """The most a span may get; of an edit, by how much it may be longer than the selection."""
    one_line: bool = False
    """End the span before the first newline the model writes."""
    wants_text: bool = False
    """One span does not end before its first token: for a person who asked, and is not to get nothing."""
    seed: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    deadline_ms: float | None = None
    """From receipt; when it passes, what is finished is returned with `finish` "deadline"."""
    policy: Policy | None = None
    """None: the model's own default."""
    block_size: int | None = None
    threshold: float | None = None
    model: str | None = None
    stream: bool = False
    """Whether `Progress` events with partial fills are wanted."""
    forks: bool = True
    """Whether other beginnings are written on beside the likeliest, which takes longer: not in a stream, where what was
    told of a text stays, nor at a temperature.
    """

    def __post_init__(self) -> None:
        for complaint, holds in (
            (f"A request needs 1 to {MAX_SPANS} spans.", 2 <= len(self.pieces) <= MAX_SPANS + 1),
            ("max_tokens must be from 1 to 1024.", 1 <= self.max_tokens <= 1024),
            ("n_candidates must be from 1 to 16.", 1 <= self.n_candidates <= 16),
            ("temperature must be from 0 to 100.", 0 <= self.temperature <= 100),
            ("top_p must be above 0 and at most 1.", 0 < self.top_p <= 1),
            ("seed must be from 0 to 2**63 - 1.", 0 <= self.seed < 2**63),
            ("deadline_ms must not be negative.", self.deadline_ms is None or self.deadline_ms >= 0),
            ("threshold must be from 0 to 1.", self.threshold is None or 0 <= self.threshold <= 1),
            ("block_size must be from 1 to 128.", self.block_size is None or 1 <= self.block_size <= 128),
            ("An edit has one span.", self.edit is None or len(self.pieces) == 2),
            ("An edit is not one_line.", self.edit is None or not self.one_line),
        ):
            if not holds:
                raise BadMessage(complaint)


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """A place where a fill could end: behind how many characters, and the probability that all of them are right."""

    characters: int
    certainty: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One way to fill all spans of a request.

    `tokens` counts returned tokens plus the end token, `forwards` every pass over a live block, commit passes
    included (prefill apart), `confidence` is the mean probability of the tokens, 0 to 1. `ends` are those of the
    tokens of a fill, in order; there are none where several spans were filled, or old code was rewritten.
    """

    fills: tuple[str, ...]
    tokens: int
    forwards: int
    confidence: float
    finish: Finish
    ends: tuple[End, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Loading:
    """The model is being loaded; sent before anything else when it is not resident."""

    model: str
    fraction: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """The text of the first candidate so far; positions still masked are left out."""

    fills: tuple[str, ...]
    committed: str = ""
    """What the first span's final text is sure to begin with; nothing while several candidates are at work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InfillResult:
    """Candidates, best first. `ms` is the service's own time from request to text, without `load_ms`."""

    candidates: tuple[Candidate, ...]
    model: str
    device: str
    ms: float
    load_ms: float
    tokens_computed: int
    """Context tokens whose keys and values had to be computed: what the cache did not hold."""
    cache_miss: CacheMiss


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why there is no result, in one sentence that says what to do."""

    kind: FailureKind
    message: str


Event: TypeAlias = Loading | Progress | InfillResult | Failure

_EVENTS: dict[str, type[Any]] = {
    "loading": Loading,
    "progress": Progress,
    "result": InfillResult,
    "failure": Failure,
}


def to_json(message: InfillRequest | Event) -> dict[str, Any]:
    """A JSON object; events carry their name under "event"."""
    body = dataclasses.asdict(message)
    name = next((name for name, kind in _EVENTS.items() if isinstance(message, kind)), None)
    return body if name is None else {"event": name, **body}


def request_from_json(body: object) -> InfillRequest:
    """Decode a request; raises BadMessage with one sentence where it is malformed."""
    return _build(InfillRequest, body)


def event_from_json(body: object) -> Event:
    """Decode an event; raises BadMessage with one sentence where it is malformed."""
    if not isinstance(body, dict) or str(body.get("event")) not in _EVENTS:
        raise BadMessage("An event needs a known name under 'event'.")
    event: Event = _build(_EVENTS[body["event"]], {key: value for key, value in body.items() if key != "event"})
    return event


def _build(kind: type[Message], body: object) -> Message:
    if not isinstance(body, dict):
        raise BadMessage(f"{kind.__name__} must be a JSON object.")
    kinds = _FIELDS[kind]
    if unknown := sorted(str(key) for key in body if key not in kinds):
        raise BadMessage(f"{kind.__name__} has no field {unknown[0]!r}.")
    if missing := [name for name in _REQUIRED[kind] if name not in body]:
        raise BadMessage(f"{kind.__name__} needs the field {missing[0]!r}.")
    return kind(**{name: _value(name, kinds[name], value) for name, value in body.items()})


_MESSAGES: tuple[type[Any], ...] = (InfillRequest, Edit, Snippet, End, Candidate, *_EVENTS.values())
_FIELDS: dict[type[Any], dict[str, Any]] = {kind: get_type_hints(kind) for kind in _MESSAGES}
_REQUIRED: dict[type[Any], list[str]] = {
    kind: [field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING]
    for kind in _MESSAGES
}
_WORDS = {str: "a string", int: "an integer", float: "a number", bool: "true or false"}


def _value(name: str, kind: Any, value: object) -> object:
    """Check `value` against a field's type and turn lists into tuples and objects into messages."""
    arms = get_args(kind)
    if NoneType in arms:
        return None if value is None else _value(name, arms[0], value)
    if get_origin(kind) is Literal:
        if value not in arms:
            raise BadMessage(f"{name} must be one of {', '.join(arms)}.")
        return value
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise BadMessage(f"{name} must be a list.")
        each = name if name.startswith("Each of ") else f"Each of {name}"
        return tuple(_value(each, arms[0], item) for item in value)
    if dataclasses.is_dataclass(kind):
        return _build(cast(type[Any], kind), value)
    if not isinstance(value, int | float if kind is float else kind) or (isinstance(value, bool) and kind is not bool):
        raise BadMessage(f"{name} must be {_WORDS[kind]}.")
    return value
