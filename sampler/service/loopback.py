"""A loopback port beside the service's socket, where OpenAI's dialect is spoken; none unless asked for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator, Generator

import uvicorn

from sampler.protocol.lifetime import StartError
from sampler.service.crowd import BoundedProtocol
from sampler.service.guard import ADDRESS, Guard, TokenError, token, token_file
from sampler.service.openai import Answer, Completions

_log = logging.getLogger("sampler")


class _Beside(uvicorn.Server):
    """A second server in the loop of the first: signals are the first one's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.contextmanager
def listening(port: int | None) -> Generator[socket.socket | None, None, None]:
    """A socket at `port`, 0 for any free one; None where no port is wanted. Raises StartError with a sentence."""
    if port is None:
        yield None
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            token()
            listener.bind((ADDRESS, port))
            listener.listen(128)
        except TokenError as error:
            raise StartError(str(error)) from None
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StartError(f"Port {port} of {ADDRESS} cannot be used ({reason}): choose another one.") from None
        yield listener


@contextlib.asynccontextmanager
async def serving(listener: socket.socket | None, answer: Answer, grace_s: int) -> AsyncGenerator[None, None]:
    """Answer at `listener` while the context lasts; what runs at its end has `grace_s` seconds to finish."""
    if listener is None:
        yield
        return
    guarded = Guard(Completions(answer).asgi, token(), listener.getsockname()[1])
    server = _Beside(_config(guarded, grace_s))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    _log.info(described(listener))
    try:
        yield
    finally:
        server.should_exit = True
        await running


def described(listener: socket.socket) -> str:
    """One sentence for the person who asked for the port."""
    url = f"http://{ADDRESS}:{listener.getsockname()[1]}/v1"
    return f"{url} speaks OpenAI's dialect to whoever has the token in {token_file()}."


def _config(guarded: Guard, grace_s: int) -> uvicorn.Config:
    return uvicorn.Config(
        guarded,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=grace_s,
    )
