"""What editors ask for in OpenAI's and in llama.cpp's dialect, read as requests of our own.

Fields without a meaning here are ignored, numbers are brought to where they make sense, and whatever cannot be read is
a BadMessage with one sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sampler.protocol.messages import BadMessage, InfillRequest, request_from_json
from sampler.text.line_ends import unix_lines
from sampler.text.windows import prefix_window, suffix_window

DEFAULT_MODEL = "seedfill"
"""What editors may call the default model, whichever it is: clients insist on a name."""
MOST_TOKENS = 1024
"""Clients name the most they would take, often thousands; more than this is never written."""
COLDEST = 0.01
"""A temperature, or a share of probability, below this stands for always taking the likeliest token."""

_LAYOUTS = (
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
    ("<PRE> ", " <SUF>", " <MID>"),
)
"""What stands before the prefix, before the suffix and at the end where a client lays out the prompt itself."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A completion request: what the model is to fill, and the shape of the answer."""

    infill: InfillRequest
    stop: tuple[str, ...] = ()
    stream: bool = False
    stream_usage: bool = False


def read_completion(body: object) -> Wanted:
    """OpenAI's request. Raises BadMessage."""
    given = _object(body)
    prompt, suffix = _string(given, "prompt"), _string(given, "suffix", "")
    if not suffix:
        prompt, suffix = _laid_out(prompt)
    stop = _strings(given, "stop")
    model = given.get("model")
    options = given.get("stream_options")
    stream = given.get("stream") is True
    return Wanted(
        request_from_json(
            {
                "document": f"openai:{_string(given, 'user', '')}",
                "pieces": _windows(prompt, suffix),
                "language": _string(given, "language", "python"),
                "one_line": "\n" in stop,
                "model": None if model == DEFAULT_MODEL else model,
                "stream": stream,
                "forks": False,  # streamed or not, the text is the same
                **_renamed(given, n="n_candidates", seed="seed"),
                **_bounded(given, "max_tokens", "temperature", "top_p"),
            }
        ),
        stop,
        stream=stream,
        stream_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def read_llama(body: object) -> Wanted | None:
    """llama.cpp's request; None where only its cache was to be warmed. Raises BadMessage."""
    given = _object(body)
    if given.get("n_predict") == 0:
        return None
    stop = _strings(given, "stop")
    prefix = _string(given, "input_prefix", "") + _string(given, "prompt", "")
    extra = given.get("input_extra") or []
    if not isinstance(extra, list):
        raise BadMessage("input_extra must be a list.")
    files = [_object(file) for file in extra]
    return Wanted(
        request_from_json(
            {
                "document": "openai:llama",
                "pieces": _windows(prefix, _string(given, "input_suffix", "")),
                "snippets": [{"path": _string(f, "filename", ""), "text": _string(f, "text", "")} for f in files],
                "one_line": "\n" in stop,
                "forks": False,
                **_renamed(_bounded(given, "n_predict"), n_predict="max_tokens"),
                **_renamed(given, t_max_predict_ms="deadline_ms"),
            }
        ),
        stop,
    )


def _laid_out(prompt: str) -> tuple[str, str]:
    """Prefix and suffix of a prompt that holds both."""
    for before, between, after in _LAYOUTS:
        if prompt.startswith(before) and prompt.endswith(after):
            prefix, marker, suffix = prompt[len(before) : -len(after)].rpartition(between)
            if marker:
                return prefix, suffix
    return prompt, ""


def _windows(prefix: str, suffix: str) -> list[str]:
    return [prefix_window(unix_lines(prefix)), suffix_window(unix_lines(suffix))]


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadMessage("A request, and each file in it, must be a JSON object.")
    return value


def _string(given: dict[str, Any], name: str, default: str | None = None) -> str:
    value = given.get(name)
    if isinstance(value, list) and len(value) == 1:  # the API takes several prompts in one request; one is enough
        value = value[0]
    value = default if value is None else value
    if not isinstance(value, str):
        raise BadMessage(f"{name} must be a string.")
    return value


def _strings(given: dict[str, Any], name: str) -> tuple[str, ...]:
    value = given.get(name) or ()
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(item, str) for item in values):
        raise BadMessage(f"{name} must be a string or a list of strings.")
    return tuple(values)


def _renamed(given: dict[str, Any], **names: str) -> dict[str, Any]:
    """What is given under the keys of `names`, under its values; null is as good as left out."""
    return {ours: given[theirs] for theirs, ours in names.items() if given.get(theirs) is not None}


def _bounded(given: dict[str, Any], *names: str) -> dict[str, Any]:
    """The named numbers, brought to where they make sense; what is no number is left for the message to refuse."""
    bounds: dict[str, Callable[[Any], Any]] = {
        "max_tokens": lambda n: min(n, MOST_TOKENS),
        "n_predict": lambda n: min(n, MOST_TOKENS) if n > 0 else MOST_TOKENS,  # -1: as many as it takes
        "temperature": lambda t: 0 if 0 <= t < COLDEST else t,
        "top_p": lambda p: COLDEST if 0 <= p < COLDEST else p,
    }
    found = _renamed(given, **{name: name for name in names})
    return {k: bounds[k](v) if isinstance(v, int | float) and not isinstance(v, bool) else v for k, v in found.items()}
