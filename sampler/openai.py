"""OpenAI's completion dialect, for editors that complete over it: a prompt and a suffix in, the text between them out.

POST /v1/completions   answers at once, or with `stream` as server-sent events
GET  /v1/models        the models that a request may name
POST /infill           the same in llama.cpp's dialect, which llama.vim speaks

A streamed answer comes in one piece when it is complete: positions are decided in any order, so there is no prefix
that is certain before. A client that goes away cancels its request.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sampler.bodies import read_json
from sampler.guard import error_response
from sampler.messages import BadMessage, Candidate, Event, Failure, InfillRequest, InfillResult, request_from_json
from sampler.paths import data_folder, default_model_folder
from sampler.windows import prefix_window, suffix_window

Answer: TypeAlias = Callable[[InfillRequest], AsyncGenerator[Event, None]]
"""The events of a request; closing the generator early cancels it."""

DEFAULT_MODEL = "seedfill"
"""What editors may call the default model, whichever it is: clients insist on a name."""
MOST_TOKENS = 1024
"""Clients name the most they would take, often thousands; more than this is never written."""
COLDEST = 0.01
"""A temperature, or a share of probability, below this stands for always taking the likeliest token."""

_MIDDLE = re.compile(r"<(\|?)fim_prefix\1>(.*)<\1fim_suffix\1>(.*)<\1fim_middle\1>", re.DOTALL)
_STATUS = {"bad_input": 400, "cancelled": 503, "failed": 500}


class UnknownModel(BadMessage):
    """A name that no installed model has."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A completion request: what the model is to fill, and the shape of the answer."""

    infill: InfillRequest
    stop: tuple[str, ...] = ()
    stream: bool = False
    stream_usage: bool = False


class Completions:
    """The endpoints over whatever answers an InfillRequest."""

    def __init__(self, answer: Answer) -> None:
        self.asgi = Starlette(
            routes=[
                Route("/v1/completions", self.completions, methods=["POST"]),
                Route("/v1/models", self.models),
                Route("/infill", self.infill, methods=["POST"]),
            ]
        )
        self._answer = answer
        self._ids = itertools.count(1)

    async def completions(self, request: Request) -> Response:
        """OpenAI's `text_completion`."""
        try:
            wanted = read_completion(await read_json(request))
            await _check_model(wanted.infill.model)
        except UnknownModel as error:
            return error_response(404, str(error), "model_not_found")
        except BadMessage as error:
            return error_response(400, str(error))
        except ClientDisconnect:
            return Response(status_code=400)
        last = await self._last_event(request, wanted.infill)
        if isinstance(last, Failure):
            return error_response(_STATUS[last.kind], last.message)
        head = {"id": f"cmpl-{next(self._ids)}", "object": "text_completion", "created": int(time.time())}
        return _shaped(wanted, head | {"model": last.model}, last)

    async def models(self, _: Request) -> Response:
        """Every model that a request may name, the default first."""
        names = await asyncio.to_thread(model_names)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "seedfill"} for name in names]
        return JSONResponse({"object": "list", "data": data})

    async def infill(self, request: Request) -> Response:
        """llama.cpp's `/infill`."""
        try:
            wanted = read_llama(await read_json(request))
        except BadMessage as error:
            return error_response(400, str(error))
        except ClientDisconnect:
            return Response(status_code=400)
        if wanted is None:
            return JSONResponse({"content": "", "stop": True})
        last = await self._last_event(request, wanted.infill)
        if isinstance(last, Failure):
            return error_response(_STATUS[last.kind], last.message)
        text, _ = cut(last.candidates[0], wanted.stop)
        return JSONResponse({"content": text, "stop": True, "model": last.model})

    async def _last_event(self, request: Request, wanted: InfillRequest) -> InfillResult | Failure:
        """The result or the failure; a client that goes away meanwhile cancels what it asked for."""
        answer = asyncio.create_task(_last_of(self._answer(wanted)))
        gone = asyncio.create_task(_until_gone(request))
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            return answer.result() if answer.done() else Failure(kind="cancelled", message="The client went away.")
        finally:
            for task in (answer, gone):
                task.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)


def read_completion(body: object) -> Wanted:
    """OpenAI's request; fields without a meaning here are ignored. Raises BadMessage."""
    given = _object(body)
    prompt, suffix = _string(given, "prompt"), _string(given, "suffix", "")
    if not suffix and (marked := _MIDDLE.fullmatch(prompt)):  # a client that lays out the prompt itself
        prompt, suffix = marked[2], marked[3]
    stop = _strings(given, "stop")
    model = given.get("model")
    options = given.get("stream_options")
    return Wanted(
        request_from_json(
            {
                "document": f"openai:{_string(given, 'user', '')}",
                "pieces": _windows(prompt, suffix),
                "language": _string(given, "language", "python"),
                "one_line": "\n" in stop,
                "model": None if model == DEFAULT_MODEL else model,
                **_renamed(given, n="n_candidates", seed="seed"),
                **_bounded(given, "max_tokens", "temperature", "top_p"),
            }
        ),
        stop,
        stream=given.get("stream") is True,
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
                **_renamed(_bounded(given, "n_predict"), n_predict="max_tokens"),
                **_renamed(given, t_max_predict_ms="deadline_ms"),
            }
        ),
        stop,
    )


def cut(candidate: Candidate, stop: tuple[str, ...]) -> tuple[str, str]:
    """The text up to the first stop string, and why it ends there: "stop" or "length"."""
    text = candidate.fills[0]
    ends = [at for word in stop if word and (at := text.find(word)) >= 0]
    if ends:
        return text[: min(ends)], "stop"
    return text, "stop" if candidate.finish == "end" else "length"


def model_names() -> list[str]:
    """The default model by both its names, and the user's models; reads their folders."""
    from sampler.checkpoint import ModelError, model_id, read_config

    own = sorted(config.parent.name for config in (data_folder() / "models").glob("*/config.json"))
    default = default_model_folder()
    try:
        return [DEFAULT_MODEL, model_id(default, read_config(default)), *own]
    except ModelError:
        return [DEFAULT_MODEL, *own]


async def _check_model(name: str | None) -> None:
    """Raise UnknownModel for what /v1/models does not list: a path, above all, names nothing here."""
    if name is not None and name not in (names := await asyncio.to_thread(model_names)):
        raise UnknownModel(f"There is no model {name[:100]!r}: leave it out, or name one of {', '.join(names)}.")


async def _last_of(events: AsyncGenerator[Event, None]) -> InfillResult | Failure:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, InfillResult | Failure):
                return event
    return Failure(kind="failed", message="The sampler gave no answer.")


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


def _shaped(wanted: Wanted, head: dict[str, Any], result: InfillResult) -> Response:
    choices = [_choice(i, *cut(candidate, wanted.stop)) for i, candidate in enumerate(result.candidates)]
    usage = _usage(result)
    if not wanted.stream:
        return JSONResponse(head | {"choices": choices, "usage": usage})
    chunks = [head | {"choices": [choice]} for choice in choices]
    if wanted.stream_usage:
        chunks.append(head | {"choices": [], "usage": usage})
    lines = [*map(json.dumps, chunks), "[DONE]"]
    return Response("".join(f"data: {line}\n\n" for line in lines), media_type="text/event-stream")


def _choice(index: int, text: str, reason: str) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}


def _usage(result: InfillResult) -> dict[str, int]:
    """`prompt_tokens` are those that had to be read: what the cache held is not among them."""
    written = sum(candidate.tokens for candidate in result.candidates)
    read = result.tokens_computed
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _windows(prefix: str, suffix: str) -> list[str]:
    prefix, suffix = (re.sub(r"\r\n?", "\n", text) for text in (prefix, suffix))
    return [prefix_window(prefix), suffix_window(suffix)]


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
