"""Bodies of HTTP requests: whole, in time, of bounded size, and JSON; and of answers: streamed while somebody reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from sampler.protocol.messages import MAX_REQUEST_BYTES, BadMessage

BODY_TIMEOUT_S = 10.0


async def read_json(request: Request) -> object:
    """The decoded body; raises BadMessage, or starlette's ClientDisconnect where the client left in the middle."""
    body = await _read(request)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadMessage("The request's body is not JSON.") from None


async def _read(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_REQUEST_BYTES:
                    raise BadMessage(f"A request may have at most {MAX_REQUEST_BYTES} bytes: send smaller windows.")
    except TimeoutError:
        raise BadMessage(f"Only part of the request came within {BODY_TIMEOUT_S:.0f} s.") from None
    return bytes(body)


class ClosingStream(StreamingResponse):
    """Closes its generator at once when the client goes away, not when the collector finds it."""

    def __init__(self, lines: AsyncGenerator[bytes, None], media_type: str) -> None:
        super().__init__(lines, media_type=media_type)
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the body."""
        async with aclosing(self._lines):
            await super().__call__(scope, receive, send)
