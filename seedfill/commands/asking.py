"""Put a question to the sampler that all editors of this user share, showing on stderr what one waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from seedfill.commands.output import stderr_console
from seedfill.errors import BadInput, CommandError, Refused
from seedfill.source import SourceFile, read_source

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sampler.protocol.client import SamplerClient

Answer = TypeVar("Answer")
Show: TypeAlias = "Callable[[RenderableType], None]"
"""Takes what a person sees while waiting."""

_WAITING = {
    "starting": "Starting the sampler …",
    "loading": "Loading {} …",
    "ready": "Filling …",
    "failed": "Failed.",
}


def ask(question: Callable[[SamplerClient, Show], Awaitable[Answer]]) -> Answer:
    """The answer to `question`; raises CommandError or BadInput where the sampler has none."""
    import asyncio

    from sampler.protocol.client import SamplerClient, SamplerError, State

    async def answer() -> Answer:
        with stderr_console().status(_WAITING["ready"]) as status:

            def on_state(state: State) -> None:
                status.update(_WAITING[state.phase].format(state.message))

            async with SamplerClient(on_state=on_state) as sampler:
                return await question(sampler, status.update)

    try:
        return asyncio.run(answer())
    except SamplerError as error:
        raise (BadInput if error.kind == "bad_input" else CommandError)(str(error)) from None


def readable(file: Path) -> SourceFile:
    """The file's text; raises Refused where it may hold secrets, which are never sent to a model."""
    from lsp_server.workspace.privacy import holds_secrets

    source = read_source(file)
    if reason := holds_secrets(file.absolute(), source.text):
        raise Refused(reason)
    return source
