"""Start and end: `initialize`, `initialized`, `exit`."""

from __future__ import annotations

from functools import partial

from lsprotocol import types as lsp

from lsp_server.features import completion, configuration
from lsp_server.session import Server


def register(server: Server) -> None:
    """Follow the client from its first message to its last."""
    server.feature(lsp.INITIALIZE)(initialize)
    server.feature(lsp.INITIALIZED)(initialized)
    server.protocol.fm.add_builtin_feature(lsp.EXIT, partial(leave, server))


async def initialize(ls: Server, params: lsp.InitializeParams) -> None:
    """Take the client's options, and register what they ask for before capabilities are told."""
    ls.initialized.set()
    ls.initial_options = params.initialization_options
    await configuration.apply(ls, None)
    if ls.settings.completion.fallback:
        completion.register(ls)


async def initialized(ls: Server, params: lsp.InitializedParams) -> None:
    """Only now may the client be asked for its configuration."""
    await configuration.pull(ls)


def leave(server: Server, params: None) -> None:
    """End the process, in good order."""
    server.leave.set()
