"""The editor's side of the seam: find or start the sampler service, ask it, cancel, reconnect. No torch.

async with SamplerClient() as sampler:
    result = await sampler.infill(InfillRequest(document="a.py", pieces=("def f(", "\n")))
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, TypeAlias

from sampler.protocol.handshake import Health, Identity, current_identity, health_from_json
from sampler.protocol.launch import ALREADY_RUNNING, SERVICE_COMMAND, end_private, launch, why_failed
from sampler.protocol.messages import (
    MAX_REQUEST_BYTES,
    BadMessage,
    Event,
    Failure,
    FailureKind,
    InfillRequest,
    InfillResult,
    Loading,
    event_from_json,
    to_json,
)
from sampler.protocol.paths import (
    PathError,
    Place,
    log_file,
    new_private_place,
    shared_place,
)
from sampler.protocol.wire import HANGS, LOST, Wire

__all__ = ["SERVICE_COMMAND", "SamplerClient", "SamplerError", "State", "infill_sync", "stop_service"]

START_TIMEOUT_S = 60.0
GRACE_S = 3.0
"""Beyond a request's own deadline: a service that stays silent for longer is asked whether it is there at all."""
SILENCE_TIMEOUT_S = 300.0
"""A request that hears nothing for so long is given up, though the service answers."""
STOP_TIMEOUT_S = 20.0
DRAIN_TIMEOUT_S = HEALTH_TIMEOUT_S = 3.0
N_UNANSWERED = 2
"""So often a process that holds the service's place may let a question go unanswered; then it hangs."""
POLL_S = 0.05

Mode: TypeAlias = Literal["shared", "private"]


class SamplerError(Exception):
    """Why there is no result, in one sentence for a person."""

    def __init__(self, message: str, kind: FailureKind = "failed") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class State:
    """What a person who waits should see; `message` says what is loading, or why it failed."""

    phase: Literal["starting", "loading", "ready", "failed"]
    message: str = ""
    fraction: float | None = None


class SamplerClient:
    """One service, found or started at the first request. For one event loop; once closed it stays closed.

    `mode` "private" starts a child of this process that nobody else uses and that ends with it.
    `service_options` go to a service that this client has to start, `command` runs another one.
    """

    def __init__(
        self,
        *,
        mode: Mode = "shared",
        on_state: Callable[[State], None] | None = None,
        service_options: Sequence[str] = (),
        command: Sequence[str] = SERVICE_COMMAND,
    ) -> None:
        self._mode = mode
        self._on_state = on_state or (lambda _: None)
        self._state: State | None = None
        self._command = (*command, *service_options)
        self._place: Place | None = None
        self._wire: Wire | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._starting: subprocess.Popen[bytes] | None = None
        self._connecting = asyncio.Lock()
        self._heard_at = 0.0
        """When an event came last, of whichever request."""
        self._connected = False
        self._closed = False

    async def infill(self, request: InfillRequest, *, on_event: Callable[[Event], None] | None = None) -> InfillResult:
        """The result; raises SamplerError. Cancelling the task cancels the request in the service.

        A service that dies before the result is replaced, and the request sent once more.
        """
        body = json.dumps(to_json(request)).encode("ascii")
        if len(body) > MAX_REQUEST_BYTES:
            raise SamplerError(f"A request may have at most {MAX_REQUEST_BYTES} bytes: send less.", "bad_input")
        for _ in range(2):
            try:
                asking = self._ask(await self._connect(), body, on_event)
                return _whole(await self._patiently(asking, _patience_s(request)), request)
            except _HungError:
                self._connected = False
                await self._replace_hung()
            except HANGS:
                raise self._failed("The sampler service is stuck: run `seedfill stop`, then try again.") from None
            except (*LOST, _GoneError):
                self._connected = False
        raise self._failed(f"The sampler service died twice on this request: see {log_file()}.")

    async def health(self, *, start: bool = False) -> Health | None:
        """What the service says of itself, None where none runs; `start` starts one and raises SamplerError."""
        if start:
            await self._connect()
            await self._wait_while_loading()
        return await self._ask_once() if self._mode == "shared" or self._wire else None

    async def counters(self) -> dict[str, int]:
        """What the service has counted since it began, by name; starts one where none runs and raises SamplerError."""
        wire = await self._connect()
        state = json.loads(await wire.call("GET", "/state", timeout_s=HEALTH_TIMEOUT_S))
        counters: dict[str, int] = state["counters"]
        return counters

    async def forget(self, documents: Sequence[str]) -> None:
        """Tell a service that runs that documents were closed; starts none, and does not mind where there is none."""
        if self._connected and self._wire is not None:
            body = json.dumps({"documents": list(documents)}).encode("ascii")
            with contextlib.suppress(*LOST):
                await self._wire.call("POST", "/v1/forget", body, timeout_s=HEALTH_TIMEOUT_S)

    async def close(self) -> None:
        """Close the connection; a private service ends with it, a shared one stays."""
        self._closed, self._connected = True, False
        if self._wire is not None:
            await self._wire.close()
        if self._mode == "private" and self._place is not None:
            if self._process is not None:
                await asyncio.to_thread(end_private, self._process, STOP_TIMEOUT_S)
            shutil.rmtree(self._place.socket.parent, ignore_errors=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # — one request

    async def _patiently(self, asking: Coroutine[None, None, InfillResult], patience_s: float) -> InfillResult:
        """What `asking` gives; raises _HungError where nothing comes for long and the service answers nothing else."""
        task = asyncio.create_task(asking)
        try:
            while not (await asyncio.wait({task}, timeout=patience_s))[0]:
                is_silent = time.monotonic() - self._heard_at >= patience_s
                if is_silent and await self._hangs() and not task.done():
                    raise _HungError
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _ask(self, wire: Wire, body: bytes, on_event: Callable[[Event], None] | None) -> InfillResult:
        last: Event | None = None
        async with wire.stream("/v1/infill", body, silence_s=SILENCE_TIMEOUT_S) as answer:
            async for line in answer.lines:
                self._heard_at = time.monotonic()
                last = _event(line)
                if answer.status == 503:
                    break
                self._follow(last)
                if on_event is not None:
                    on_event(last)
        if isinstance(last, InfillResult):
            return last
        if isinstance(last, Failure) and answer.status != 503:
            raise SamplerError(last.message, last.kind)
        raise _GoneError

    async def _hangs(self) -> bool:
        """Whether a process is the service but lets every question go unanswered."""
        for _ in range(N_UNANSWERED):
            try:
                await self._opened().call("GET", "/health", timeout_s=HEALTH_TIMEOUT_S)
                return False
            except HANGS:
                continue
            except LOST:
                return False
        return True

    async def _replace_hung(self) -> None:
        """End a service that hangs; the next attempt starts another."""
        if self._place is None:
            return
        self._tell(State("starting", "The sampler hung and is replaced."))
        await asyncio.to_thread(_kill, self._place)

    def _follow(self, event: Event) -> None:
        if isinstance(event, Loading):
            self._tell(State("loading", event.model, event.fraction))
        elif not isinstance(event, Failure):
            self._tell(State("ready"))
        elif event.kind == "failed":
            self._tell(State("failed", event.message))

    # — finding or starting the service

    async def _connect(self) -> Wire:
        async with self._connecting:  # requests that come at once wait for one start
            if not self._connected:
                try:
                    await self._reach(current_identity())
                except (PathError, OSError) as error:
                    raise self._failed(str(error)) from None
                self._connected = True
            return self._opened()

    def _check_open(self) -> None:
        if self._closed:
            raise SamplerError("The sampler client was closed.", "cancelled")

    async def _reach(self, wanted: Identity) -> None:
        """Wait until a service with the wanted identity answers; start one, replace another."""
        drained: int | None = None
        n_hung = 0
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            self._check_open()
            try:
                health = await self._ask_health()
            except HANGS:
                n_hung += 1
                if n_hung >= N_UNANSWERED:
                    await self._replace_hung()
                    n_hung = 0
                continue
            if health is None or health.status == "leaving" or health.pid == drained:
                self._start()
            elif health.identity == wanted:
                self._starting = None
                self._tell(State("ready") if health.status == "ready" else State("loading", "the sampler"))
                return
            elif drained is None:
                await _drain(self._opened(), health.pid)
                drained = health.pid
            else:
                raise self._failed(_differs(health.identity, wanted))
            if time.monotonic() > deadline:
                raise self._failed("No sampler service answers: run `seedfill stop`, then try again.")
            await asyncio.sleep(POLL_S)

    async def _wait_while_loading(self) -> None:
        """A request would be told when the service has loaded; without one, somebody has to ask."""
        while (health := await self._ask_once()) is not None and health.status == "loading":
            self._check_open()
            await asyncio.sleep(POLL_S)
        if health is not None and health.status == "ready":
            self._tell(State("ready"))

    async def _ask_once(self) -> Health | None:
        try:
            return await self._ask_health()
        except HANGS:
            return None

    async def _ask_health(self) -> Health | None:
        """None where nobody answers, or something that is no sampler: a service that starts takes its place.

        Raises one of HANGS where somebody is there and does not answer.
        """
        try:
            answer = await self._opened().call("GET", "/health", timeout_s=HEALTH_TIMEOUT_S)
            return health_from_json(json.loads(answer))
        except HANGS:
            raise
        except (*LOST, BadMessage, ValueError, RecursionError):
            return None

    def _opened(self) -> Wire:
        if self._place is None:
            try:
                self._place = new_private_place() if self._mode == "private" else shared_place()
            except (PathError, OSError) as error:
                raise self._failed(str(error)) from None
        if self._wire is None:
            self._wire = Wire(self._place.socket)
        return self._wire

    def _start(self) -> None:
        """Start a process, unless the one started last is still on its way; raises if that one failed."""
        assert self._place is not None
        if self._starting is not None:
            code = self._starting.poll()
            if code is None:
                return
            failed, self._starting = self._starting, None
            if code not in (0, ALREADY_RUNNING):
                raise self._failed(why_failed(self._place, failed.pid, code))
        self._tell(State("starting"))
        self._starting = self._process = launch(self._command, self._place, private=self._mode == "private")

    def _failed(self, sentence: str) -> SamplerError:
        self._tell(State("failed", sentence))
        return SamplerError(sentence)

    def _tell(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self._on_state(state)


def infill_sync(
    request: InfillRequest,
    on_event: Callable[[Event], None] | None = None,
    on_state: Callable[[State], None] | None = None,
) -> InfillResult:
    """One request to the shared service, for callers without an event loop; raises SamplerError."""

    async def ask() -> InfillResult:
        async with SamplerClient(on_state=on_state) as sampler:
            return await sampler.infill(request, on_event=on_event)

    return asyncio.run(ask())


def stop_service() -> bool:
    """Stop the shared service once it has finished what runs; whether there was one. Raises SamplerError."""
    from sampler.protocol.lifetime import holder, wait_until_left  # its lock library doubles this module's import time

    try:
        place = shared_place()
    except (PathError, OSError) as error:
        raise SamplerError(str(error)) from None
    pid = holder(place)
    if pid is None:
        return False
    if asyncio.run(_drain_once(place, pid)) and wait_until_left(place, STOP_TIMEOUT_S):
        return True
    _kill(place)
    if not wait_until_left(place, STOP_TIMEOUT_S):
        raise SamplerError(f"Process {pid} holds {place.lock} and does not end.")
    return True


def service_process() -> int | None:
    """The process that is the shared service, whether it answers or hangs; None where there is none."""
    from sampler.protocol.lifetime import holder

    try:
        return holder(shared_place())
    except (PathError, OSError):
        return None


def _kill(place: Place) -> None:
    """End the process that holds `place`, which does not answer. Raises SamplerError."""
    from sampler.protocol.lifetime import holder, wait_until_left

    pid = holder(place)
    try:
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
    except OSError as error:
        raise SamplerError(f"Process {pid}, which holds {place.lock}, cannot be stopped: {error.strerror}.") from None
    wait_until_left(place, HEALTH_TIMEOUT_S)


def _patience_s(request: InfillRequest) -> float:
    """How long the service may be silent before it is asked whether it is there."""
    return (request.deadline_ms or 0) / 1000 + GRACE_S


class _GoneError(Exception):
    """The service left before it had an answer."""


class _HungError(Exception):
    """The service is there and answers nothing."""


async def _drain(wire: Wire, pid: int) -> bool:
    """Ask the service to leave, if it still is the process `pid`; whether it heard."""
    try:
        await wire.call("POST", "/drain", json.dumps({"pid": pid}).encode(), timeout_s=DRAIN_TIMEOUT_S)
    except LOST:
        return False
    return True


async def _drain_once(place: Place, pid: int) -> bool:
    wire = Wire(place.socket)
    heard = await _drain(wire, pid)
    await wire.close()
    return heard


def _differs(theirs: Identity, wanted: Identity) -> str:
    return (
        f"A sampler of version {theirs.version} starts where {wanted.version} is wanted: "
        "restart the editor after an upgrade."
    )


def _whole(result: InfillResult, request: InfillRequest) -> InfillResult:
    """The result, if it has a text for each span; raises SamplerError."""
    n_spans = len(request.pieces) - 1
    if not result.candidates or any(len(candidate.fills) != n_spans for candidate in result.candidates):
        raise SamplerError("The sampler service sent a result without a text for each span: run `seedfill stop`.")
    return result


def _event(line: bytes) -> Event:
    try:
        return event_from_json(json.loads(line))
    except (ValueError, RecursionError) as error:
        raise SamplerError(f"The sampler service sent what is no event: {error}") from None
