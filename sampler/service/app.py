"""The resident sampler's HTTP app around one engine; `sampler.service` runs it as a process.

POST /v1/infill   an InfillRequest as JSON → its events, a JSON object a line, the last a result or a failure
GET  /health      who this is and how it does (`handshake.Health`), also while the engine is being built
GET  /state       the engine's models, queue and counters
GET  /metrics     the same for Prometheus
POST /v1/forget   {"documents": [name, …]} → what was read of them is let go: they were closed
POST /drain       {"pid": n} → finish what runs, then leave; refused where n is another process
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sampler.protocol.handshake import Health, Identity, ModelHealth, Status, health_to_json
from sampler.protocol.messages import (
    BadMessage,
    Event,
    Failure,
    InfillRequest,
    InfillResult,
    request_from_json,
    to_json,
)
from sampler.service.bodies import ClosingStream, read_json
from sampler.service.metrics import Metrics

CLOSE_TIMEOUT_S = 10.0
PLACE_S = 0.5
"""How often the service looks whether it can still be found."""

_log = logging.getLogger("sampler")


class Ticket(Protocol):
    """One submitted request."""

    def cancel(self) -> None:
        """Leave at the next control point; harmless after the last event."""


class EngineState(Protocol):
    """What an engine says of itself."""

    @property
    def device(self) -> str: ...  # noqa: D102
    @property
    def models(self) -> Sequence[ModelHealth]: ...  # noqa: D102
    @property
    def queue_length(self) -> int: ...  # noqa: D102
    @property
    def counters(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def notices(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def slot_bytes(self) -> int: ...  # noqa: D102


class Engine(Protocol):
    """What the service asks of an engine; `sampler.engine.engine.Engine` is one."""

    def submit(self, request: InfillRequest, on_event: Callable[[Event], None]) -> Ticket:
        """Answer on the engine's thread; the last event is a result or a failure."""

    def state(self) -> EngineState:
        """A snapshot."""

    def release_idle(self) -> None:
        """Drop the models' memory."""

    def forget(self, documents: Iterable[str]) -> None:
        """Let go of what was read of documents, which were closed."""

    def close(self) -> None:
        """End the engine's thread."""


@dataclass(frozen=True, slots=True)
class IdleTimes:
    """Seconds without a request after which the models' memory is freed, and the process leaves."""

    release_s: float = 600.0
    exit_s: float = 3600.0


class App:
    """The endpoints, the engine behind them and the clock; `leave` asks the server to stop.

    `failure` is the sentence that says why the engine could not be built; the app leaves by itself then.
    `beside` is entered while the app serves, and left before the engine is closed. `lost` names a file of the service's
    that is no longer its own: nobody finds it any more, so it leaves.
    """

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        identity: Identity,
        idle: IdleTimes,
        leave: Callable[[], None],
        beside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
        lost: Callable[[], Path | None] = lambda: None,
    ) -> None:
        self.failure: str | None = None
        self.asgi = Starlette(
            routes=[
                Route("/v1/infill", self.infill, methods=["POST"]),
                Route("/v1/forget", self.forget, methods=["POST"]),
                Route("/drain", self.drain, methods=["POST"]),
                Route("/health", self.health),
                Route("/state", self.state),
                Route("/metrics", self.metrics_text),
            ],
            lifespan=self._life,
        )
        self._make_engine = make_engine
        self._identity = identity
        self._idle = idle
        self._stop_server = leave
        self._beside = beside
        self._lost = lost
        self._leaving = False
        self._metrics = Metrics()
        self._started = self._last_active = time.monotonic()

    # — endpoints

    async def infill(self, request: Request) -> Response:
        """Stream the events of one request; a client that goes away cancels it."""
        if self._leaving:
            return _one_line(Failure(kind="failed", message="The sampler is leaving: ask the next one."), 503)
        try:
            parsed = request_from_json(await read_json(request))
        except BadMessage as error:
            return _one_line(Failure(kind="bad_input", message=str(error)), 400)
        except ClientDisconnect:
            return Response(status_code=400)
        return ClosingStream(_lines(self.events(parsed)), "application/x-ndjson")

    async def health(self, _: Request) -> Response:
        """Identity first: a client compares it before it sends anything."""
        state = self._engine_state()
        return _json(
            health_to_json(
                Health(
                    identity=self._identity,
                    pid=os.getpid(),
                    status=self._status(),
                    uptime_s=self._uptime_s(),
                    device=state.device if state else "",
                    models=tuple(state.models) if state else (),
                    notices=tuple(state.notices) if state else (),
                    slot_bytes=state.slot_bytes if state else 0,
                )
            )
        )

    async def state(self, _: Request) -> Response:
        """The engine's own view: models, queue, counters."""
        state = self._engine_state()
        return _json(
            {
                "status": self._status(),
                "device": state.device if state else "",
                "models": [dataclasses.asdict(model) for model in state.models] if state else [],
                "queue_length": state.queue_length if state else 0,
                "slot_bytes": state.slot_bytes if state else 0,
                "counters": dict(state.counters) if state else {},
            }
        )

    async def metrics_text(self, _: Request) -> Response:
        """Prometheus text."""
        state = self._engine_state()
        gauges: dict[str, float] = {"uptime_seconds": self._uptime_s()}
        if state:
            gauges["model_bytes"] = sum(model.bytes for model in state.models if model.loaded)
            gauges["queue_length"] = state.queue_length
            gauges["slot_bytes"] = state.slot_bytes
        text = self._metrics.text(gauges, state.counters if state else {})
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def forget(self, request: Request) -> Response:
        """Documents were closed: what was read of them is let go."""
        try:
            body = await read_json(request)
        except BadMessage as error:
            return _json({"error": str(error)}, 400)
        documents = body.get("documents") if isinstance(body, dict) else None
        if not isinstance(documents, list) or not all(isinstance(name, str) for name in documents):
            return _json({"error": "'documents' must be a list of names."}, 400)
        if self._engine.done() and self.failure is None:
            self._engine.result().forget(documents)
        return _json({"documents": len(documents)})

    async def drain(self, request: Request) -> Response:
        """Leave once all that runs is done, if the caller means this very process."""
        try:
            body = await read_json(request)
        except BadMessage as error:
            return _json({"error": str(error)}, 400)
        if not isinstance(body, dict) or body.get("pid") != os.getpid():
            return _json({"error": f"Only {{'pid': {os.getpid()}}} drains this process."}, 409)
        self._leave("drained")
        return _json({"pid": os.getpid()})

    # — life

    def _leave(self, why: str) -> None:
        """Take no more requests, finish what runs, end the process."""
        if not self._leaving:
            _log.info("leaving: %s", why)
        self._leaving = True
        self._stop_server()

    @contextlib.asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncGenerator[None, None]:
        self._engine = asyncio.create_task(asyncio.to_thread(self._make_engine))
        self._engine.add_done_callback(self._engine_built)
        watches = {asyncio.create_task(self._watch_idle()), asyncio.create_task(self._watch_place())}
        try:
            async with self._beside():
                yield
        finally:
            self._leaving = True
            for watch in watches:
                watch.cancel()
            await asyncio.wait({*watches, self._engine})
            if self.failure is None:
                await _close(self._engine.result())

    def _engine_built(self, task: asyncio.Task[Engine]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        _log.error("the engine could not be built", exc_info=error)
        self.failure = f"The sampler cannot start: {error}"
        self._leave("no engine")

    async def _watch_idle(self) -> None:
        """Release the models after one idle time, leave after a longer one."""
        released_for = None
        while True:
            idle_s = 0.0 if self._metrics.running else time.monotonic() - self._last_active
            if idle_s >= self._idle.exit_s:
                self._leave(f"idle for {idle_s:.0f} s")
                return
            due = idle_s >= self._idle.release_s and released_for != self._last_active
            if due and self._status() == "ready":
                released_for = self._last_active
                await asyncio.to_thread(self._engine.result().release_idle)
                _log.info("released the models after %.0f s idle", idle_s)
            limits = dataclasses.astuple(self._idle)
            rest = min(limit - idle_s for limit in limits if limit > idle_s)
            await asyncio.sleep(max(0.01, min(rest, max(self._idle.release_s, 0.5))))  # loaded since: released again

    async def _watch_place(self) -> None:
        """Leave where the socket or the lock was taken away: another service may be there by now."""
        while (lost := self._lost()) is None:
            await asyncio.sleep(PLACE_S)
        self._leave(f"{lost} is no longer this service's")

    def _status(self) -> Status:
        if self._leaving:
            return "leaving"
        return "ready" if self._engine.done() else "loading"

    def _engine_state(self) -> EngineState | None:
        built = self._engine.done() and self.failure is None
        return self._engine.result().state() if built else None

    def _uptime_s(self) -> float:
        return round(time.monotonic() - self._started, 3)

    # — one request

    async def events(self, request: InfillRequest) -> AsyncGenerator[Event, None]:
        """The request's events; whatever ends this generator early cancels the request."""
        ticket: Ticket | None = None
        last: InfillResult | Failure = Failure(kind="cancelled", message="Nobody waits for the answer any more.")
        self._metrics.running += 1
        try:
            events: asyncio.Queue[Event] = asyncio.Queue()
            ticket = await self._submit(request, events)
            while True:
                event = await events.get()
                if isinstance(event, InfillResult | Failure):
                    last = event
                yield event
                if last is event:
                    return
        finally:
            if ticket is not None:
                ticket.cancel()
            self._finished(request, last)

    async def _submit(self, request: InfillRequest, events: asyncio.Queue[Event]) -> Ticket | None:
        """Hand the request to the engine, whose thread then fills `events`; None where there is no engine."""
        loop = asyncio.get_running_loop()
        try:
            engine = await asyncio.shield(self._engine)
        except Exception:  # whatever it was, _engine_built has put it into words
            events.put_nowait(Failure(kind="failed", message=self.failure or "The sampler cannot start."))
            return None
        return engine.submit(request, lambda event: _put(loop, events, event))

    def _finished(self, request: InfillRequest, last: InfillResult | Failure) -> None:
        self._metrics.running -= 1
        self._last_active = time.monotonic()
        self._metrics.count(last)
        outcome = last.message if isinstance(last, Failure) else f"{last.ms:.1f} ms"
        _log.info("infill, %d spans: %s", len(request.pieces) - 1, outcome)


async def _close(engine: Engine) -> None:
    """End the engine, but do not wait for ever for one that hangs."""
    closer = threading.Thread(target=engine.close, daemon=True)
    closer.start()
    await asyncio.to_thread(closer.join, CLOSE_TIMEOUT_S)


def _put(loop: asyncio.AbstractEventLoop, events: asyncio.Queue[Event], event: Event) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
        loop.call_soon_threadsafe(events.put_nowait, event)


async def _lines(events: AsyncGenerator[Event, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        async for event in events:
            yield _line(event)


def _line(event: Event) -> bytes:
    return json.dumps(to_json(event)).encode("ascii") + b"\n"


def _one_line(event: Event, status: int) -> Response:
    return Response(_line(event), status, media_type="application/x-ndjson")


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body).encode("ascii"), status, media_type="application/json")
