"""The server's connection to the sampler: connected on first use, its state told to whoever shows it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

from lsp_server.workspace.settings import SamplerSettings
from sampler.protocol.messages import Event, InfillRequest, InfillResult

logger = logging.getLogger(__name__)

N_AT_ONCE = 3
"""Failures in a row that are met without a rest."""
MAX_REST_S = 60.0

Phase: TypeAlias = Literal["loading", "ready", "error"]
Report: TypeAlias = Callable[[Phase, str], None]
OnEvent: TypeAlias = Callable[[Event], None]


class Client(Protocol):
    """What is used of sampler.protocol.client.SamplerClient."""

    async def infill(self, request: InfillRequest, *, on_event: OnEvent | None = None) -> InfillResult:
        """Fill the spans of `request`; raises sampler.protocol.client.SamplerError."""
        ...

    async def health(self, *, start: bool = False) -> object:
        """How the service does; `start` starts one where none runs and raises sampler.protocol.client.SamplerError."""
        ...

    async def forget(self, documents: Sequence[str]) -> None:
        """Let the service let go of documents that were closed."""
        ...

    async def close(self) -> None:
        """Let go of the service; a private one ends."""
        ...


Connect: TypeAlias = Callable[[SamplerSettings, Report], Client]


class SamplerConnection:
    """A sampler client made when it is first needed: importing it takes longer than `initialize` may."""

    def __init__(self, connect: Connect, report: Report) -> None:
        self._connect = connect
        self._report = report
        self.settings = SamplerSettings()
        self._client: Client | None = None
        self._warming: asyncio.Task[None] | None = None
        self._failure: str | None = None
        self._n_failures = 0
        self._rests_until = 0.0

    def warm_up(self) -> None:
        """Have the service started, in the background, before the first request needs it."""
        if self._client is None:
            self._warming = asyncio.create_task(self._start())

    async def infill(self, request: InfillRequest, *, on_event: OnEvent | None = None) -> InfillResult:
        """Fill the spans of `request`; raises sampler.protocol.client.SamplerError after it was reported.

        The client reports what befalls the service; this adds what befalls a single request.
        """
        from sampler.protocol.client import SamplerError

        if self._failure and asyncio.get_running_loop().time() < self._rests_until:
            raise SamplerError(self._failure)
        try:
            result = await self._connected().infill(request, on_event=on_event)
        except SamplerError as error:
            if error.kind == "failed":
                self._rest(str(error))
            if error.kind != "cancelled":
                self._report("error", str(error))
            raise
        self._n_failures, self._failure = 0, None
        self._report("ready", "")
        return result

    def _rest(self, failure: str) -> None:
        """After several failures in a row nothing is asked for a while: each key would fail, and start a process."""
        self._n_failures, self._failure = self._n_failures + 1, failure
        rest_s = min(2.0 ** (self._n_failures - N_AT_ONCE), MAX_REST_S) if self._n_failures >= N_AT_ONCE else 0.0
        self._rests_until = asyncio.get_running_loop().time() + rest_s

    async def forget(self, documents: Sequence[str]) -> None:
        """Let the service let go of documents that were closed; where none is connected there is nothing to say."""
        if self._client is not None:
            await self._client.forget(documents)

    async def use(self, settings: SamplerSettings) -> None:
        """Follow changed settings; the next request connects anew. A shared service keeps the threads it has."""
        self.settings = settings
        await self.close()

    async def restart(self) -> None:
        """End the service, also where other windows use it; the next request starts a new one."""
        from sampler.protocol.client import stop_service

        await self.close()
        if self.settings.mode == "shared":
            await asyncio.to_thread(stop_service)

    async def close(self) -> None:
        """Let go of the service; the next request connects again."""
        client, self._client = self._client, None
        self._n_failures, self._failure = 0, None
        if self._warming is not None:
            self._warming.cancel()
        if client is not None:
            await client.close()

    def _connected(self) -> Client:
        if self._client is None:
            self._client = self._connect(self.settings, self._report)
        return self._client

    async def _start(self) -> None:
        from sampler.protocol.client import SamplerError

        with contextlib.suppress(SamplerError):  # the client told it as a state, and requests will say it again
            await self._connected().health(start=True)
