"""OpenAI's completion dialect, for editors that complete over it: a prompt and a suffix in, the text between them out.

POST /v1/completions   answers at once, or with `stream` as server-sent events
GET  /v1/models        the models that a request may name
POST /infill           the same in llama.cpp's dialect, which llama.vim speaks

A stream carries text as it is committed: until then positions are decided in any order. A client that goes away
cancels its request.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeAlias, TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sampler.protocol.messages import BadMessage, Candidate, Event, Failure, InfillRequest, InfillResult, Progress
from sampler.protocol.paths import default_model_folder, user_models
from sampler.service.bodies import ClosingStream, read_json
from sampler.service.dialects import DEFAULT_MODEL, Wanted, read_completion, read_llama
from sampler.service.guard import error_body, error_response

Answer: TypeAlias = Callable[[InfillRequest], AsyncGenerator[Event, None]]
"""The events of a request; closing the generator early cancels it."""
Chunk: TypeAlias = dict[str, Any]
"""What one event of a stream has besides the head that all share."""
Found = TypeVar("Found")

_STATUS = {"bad_input": 400, "cancelled": 503, "failed": 500}


class UnknownModel(BadMessage):
    """A name that no installed model has."""


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
        head = {"id": f"cmpl-{next(self._ids)}", "object": "text_completion", "created": int(time.time())}
        if wanted.stream:
            return await self._streamed(request, wanted, head)
        last = await _unless_gone(request, _last_of(self._answer(wanted.infill)))
        if isinstance(last, Failure):
            return _refused(last)
        choices = [_choice(i, *finished(candidate, wanted.stop)) for i, candidate in enumerate(last.candidates)]
        return JSONResponse(head | {"model": last.model, "choices": choices, "usage": _usage(last)})

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
        last = await _unless_gone(request, _last_of(self._answer(wanted.infill)))
        if isinstance(last, Failure):
            return _refused(last)
        text, _ = finished(last.candidates[0], wanted.stop)
        return JSONResponse({"content": text, "stop": True, "model": last.model})

    async def _streamed(self, request: Request, wanted: Wanted, head: dict[str, Any]) -> Response:
        """Server-sent events; what fails before there is a text is still an error of HTTP."""
        found = chunks(self._answer(wanted.infill), wanted)
        first = await _unless_gone(request, anext(found))
        if isinstance(first, Failure):
            await found.aclose()
            return _refused(first)
        head = head | {"model": wanted.infill.model or DEFAULT_MODEL}
        return ClosingStream(_server_sent(head, first, found), "text/event-stream")


async def chunks(events: AsyncGenerator[Event, None], wanted: Wanted) -> AsyncGenerator[Chunk | Failure, None]:
    """What a stream carries, each text as soon as it is certain; nothing comes after a failure.

    Once a stop string is certain the request is cancelled, unless its cost is asked for.
    """
    sent = ""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Failure):
                yield event
                return
            if isinstance(event, Progress):
                text, is_over = certain(event.committed, wanted.stop)
                if text != sent:
                    yield {"choices": [_choice(0, text[len(sent) :], None)]}
                    sent = text
                if is_over and not wanted.stream_usage:
                    yield {"choices": [_choice(0, "", "stop")]}
                    return
            if isinstance(event, InfillResult):
                for chunk in _last_chunks(event, wanted, len(sent)):
                    yield chunk
                return
    yield _NO_ANSWER


def certain(text: str, stop: tuple[str, ...]) -> tuple[str, bool]:
    """What an answer that begins with `text` is sure to begin with, and whether that is all, up to a stop string."""
    end = _stop_at(text, stop)
    doubtful = min((_begun(text, word) for word in stop), default=len(text))
    is_over = end is not None and end <= doubtful
    return text[: end if is_over else doubtful], is_over


def finished(candidate: Candidate, stop: tuple[str, ...]) -> tuple[str, str]:
    """The text up to the first stop string, and why it ends there: "stop" or "length"."""
    text = candidate.fills[0]
    end = _stop_at(text, stop)
    return text[:end], "stop" if end is not None or candidate.finish == "end" else "length"


def model_names() -> list[str]:
    """The default model by both its names, and the user's models; reads their folders."""
    from sampler.model.families import model_id
    from sampler.model.folder import ModelError, read_config

    own = [folder.name for folder in user_models()]
    default = default_model_folder()
    try:
        return [DEFAULT_MODEL, model_id(default, read_config(default)), *own]
    except ModelError:
        return [DEFAULT_MODEL, *own]


async def _check_model(name: str | None) -> None:
    """Raise UnknownModel for what /v1/models does not list: a path, above all, names nothing here."""
    if name is not None and name not in (names := await asyncio.to_thread(model_names)):
        raise UnknownModel(f"There is no model {name[:100]!r}: leave it out, or name one of {', '.join(names)}.")


_NO_ANSWER = Failure(kind="failed", message="The sampler gave no answer.")


async def _last_of(events: AsyncGenerator[Event, None]) -> InfillResult | Failure:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, InfillResult | Failure):
                return event
    return _NO_ANSWER


async def _unless_gone(request: Request, work: Awaitable[Found]) -> Found | Failure:
    """What the work finds; a client that goes away meanwhile cancels it."""
    working = asyncio.ensure_future(work)
    gone = asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else Failure(kind="cancelled", message="The client went away.")
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


async def _server_sent(
    head: dict[str, Any], first: Chunk, rest: AsyncGenerator[Chunk | Failure, None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield _data(head | first)
        async for chunk in rest:
            if isinstance(chunk, Failure):
                yield _data(error_body(_STATUS[chunk.kind], chunk.message))
                return
            yield _data(head | chunk)
    yield b"data: [DONE]\n\n"


def _data(body: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode("ascii")


def _last_chunks(result: InfillResult, wanted: Wanted, n_sent: int) -> list[Chunk]:
    """The rest of each text with the reason of its end, then the cost where it is asked for."""
    ends = [finished(candidate, wanted.stop) for candidate in result.candidates]
    found: list[Chunk] = [{"choices": [_choice(i, text[n_sent:], reason)]} for i, (text, reason) in enumerate(ends)]
    return [*found, {"choices": [], "usage": _usage(result)}] if wanted.stream_usage else found


def _stop_at(text: str, stop: tuple[str, ...]) -> int | None:
    return min((at for word in stop if word and (at := text.find(word)) >= 0), default=None)


def _begun(text: str, word: str) -> int:
    """Where the longest beginning of `word`, but not all of it, stands at the end of `text`; len(text) if none does."""
    lengths = range(min(len(word) - 1, len(text)), 0, -1)
    return len(text) - next((n for n in lengths if text.endswith(word[:n])), 0)


def _choice(index: int, text: str, reason: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}


def _usage(result: InfillResult) -> dict[str, int]:
    """`prompt_tokens` are those that had to be read: what the cache held is not among them."""
    written = sum(candidate.tokens for candidate in result.candidates)
    read = result.tokens_computed
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _refused(failure: Failure) -> Response:
    return error_response(_STATUS[failure.kind], failure.message)
