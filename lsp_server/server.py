"""The language server: put together, served over two streams, ended."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from lsp_server.features import (
    code_actions,
    commands,
    configuration,
    document_sync,
    edit_commands,
    inline_completion,
    lifecycle,
    notebook_sync,
)
from lsp_server.process import parent, transport
from lsp_server.process.clock import Clock
from lsp_server.process.log import start_logging
from lsp_server.process.sampler_connection import Client, Connect, Phase, Report
from lsp_server.process.transport import Writer
from lsp_server.session import Server
from lsp_server.workspace.settings import LogLevel, SamplerMode, SamplerSettings
from sampler.protocol.paths import PathError, state_folder

logger = logging.getLogger(__name__)

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended."""

STATES: dict[str, tuple[Phase, str]] = {
    "starting": ("loading", "Starting the sampler service"),
    "loading": ("loading", "Loading {}"),
    "ready": ("ready", ""),
    "failed": ("error", "{}"),
}
"""What a person is told of each phase of the sampler client."""


def run(
    *, sampler: SamplerMode | None = None, log_level: LogLevel | None = None, connect: Connect | None = None
) -> int:
    """Serve one client over standard input and output until it leaves; the process's exit code.

    What is given here wins over the client's settings.
    """
    if os.isatty(0):
        print("This speaks to an editor over standard input and output; Ctrl-D ends it.", file=sys.stderr)
    source, sink = transport.claim_stdio()
    start_logging(log_level or "info")
    given = {"sampler": {"mode": sampler}, "log": {"level": log_level}}
    server = create_server(connect or connect_client, overrides=given, folder=_own_folder())
    try:
        return asyncio.run(_serve_descriptors(server, source, sink))
    except KeyboardInterrupt:
        return INTERRUPTED


def _own_folder() -> Path | None:
    """Where state is kept; None for a person without a home, who does without."""
    try:
        return state_folder()
    except PathError as error:
        logger.warning("%s Until then nothing is kept.", error)
        return None


def create_server(
    connect: Connect,
    *,
    clock: Clock | None = None,
    overrides: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> Server:
    """A server with all its features; `connect` makes the sampler client, `clock` is what it knows of time.

    `folder` is where it keeps the last request's record and its statistics; None: in memory alone.
    """
    server = Server(connect, clock=clock, overrides=overrides, folder=folder)
    for feature in (
        lifecycle,
        configuration,
        document_sync,
        notebook_sync,
        inline_completion,
        commands,
        edit_commands,
        code_actions,
    ):
        feature.register(server)
    return server


def connect_client(settings: SamplerSettings, report: Report, *, command: Sequence[str] = ()) -> Client:
    """The real sampler client; `command` runs another service than the installed one."""
    from sampler.protocol.client import SERVICE_COMMAND, SamplerClient, State

    def on_state(state: State) -> None:
        phase, sentence = STATES[state.phase]
        fraction = "" if state.fraction is None else f" ({state.fraction:.0%})"
        report(phase, sentence.format(state.message) + fraction)

    options = [] if settings.threads is None else [f"--threads={settings.threads}"]
    return SamplerClient(
        mode=settings.mode, on_state=on_state, command=command or SERVICE_COMMAND, service_options=options
    )


async def serve(
    server: Server, reader: asyncio.StreamReader, writer: Writer, on_end: Callable[[], None] | None = None
) -> int:
    """Handle what comes from `reader` until the client or its process leaves; 0 after an orderly shutdown, else 1.

    `on_end` is called before the rest is put in order, which may hang.
    """
    server.protocol.set_writer(writer)
    try:
        await _first_of(_read(server, reader), server.leave.wait(), _parent_death(server))
    finally:
        if on_end:
            on_end()
        server.end_background()
        await server.suggestions.cancel_all()
        await server.sampler.close()
    return 0 if server.protocol.is_shut_down else 1


async def _serve_descriptors(server: Server, source: int, sink: int) -> int:
    writer = transport.DescriptorWriter(sink, on_lost=server.leave.set)
    return await serve(server, transport.read_in_background(source), writer, transport.leave_in_time)


async def _read(server: Server, reader: asyncio.StreamReader) -> None:
    async for body in transport.message_bodies(reader):
        server.protocol.receive(body)


async def _parent_death(server: Server) -> None:
    await server.initialized.wait()
    if parent.is_process_id(server.process_id):
        await parent.wait_for_death(server.process_id)
    else:  # none was given, or nothing that could be one: the end of the input tells when to leave
        await asyncio.Event().wait()


async def _first_of(*awaitables: Coroutine[Any, Any, Any]) -> None:
    """Until the first of them is done; the others are cancelled, and an error is passed on."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()
