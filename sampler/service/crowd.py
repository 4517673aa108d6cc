"""Connections to the loopback port: few at a time, and none that says nothing.

Any program of this machine can connect there, with a token or without. Each connection takes a descriptor, of which a
process has some thousand, and the editors' own socket needs its share.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 64
HEADER_TIMEOUT_S = 5.0
"""By then a request's headers have come, or the connection ends."""


class BoundedProtocol(H11Protocol):
    """HTTP as uvicorn speaks it, within bounds."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse one connection too many, and give the others a while to say what they want."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        else:
            self._deadline = self.loop.call_later(HEADER_TIMEOUT_S, self._end_silent)

    def data_received(self, data: bytes) -> None:
        """Pass on what comes; a request whose headers are all there has come in time."""
        super().data_received(data)
        if self._has_asked and self._deadline is not None:
            self._deadline.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, which is counted no more."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _end_silent(self) -> None:
        if not self._has_asked:
            self.transport.abort()

    @property
    def _has_asked(self) -> bool:
        cycle: object = self.cycle  # None before the first request, whatever its type says
        return cycle is not None
