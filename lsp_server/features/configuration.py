"""Settings: from initializationOptions at first, then from the workspace's configuration whenever it changes."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from lsp_server.log import set_level
from lsp_server.protocol import Server
from lsp_server.settings import settings_from

logger = logging.getLogger(__name__)

SECTION = "seedfill"
PULL_TIMEOUT_S = 10


def register(server: Server) -> None:
    """Follow changes of the configuration."""
    server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)(did_change_configuration)


async def did_change_configuration(ls: Server, params: lsp.DidChangeConfigurationParams) -> None:
    """Use what the client pushes, or ask for it where it only says that something changed."""
    pushed = params.settings.get(SECTION) if isinstance(params.settings, dict) else None
    await (apply(ls, pushed, live=True) if pushed is not None else pull(ls, live=True))


async def pull(server: Server, *, live: bool = False) -> None:
    """Ask the client for its configuration, where it can be asked; `live` as in `apply`."""
    workspace = server.client_capabilities.workspace
    if not (workspace and workspace.configuration):
        return
    items = [lsp.ConfigurationItem(section=SECTION)]
    request = server.workspace_configuration_async(lsp.ConfigurationParams(items=items))
    try:
        answer = await asyncio.wait_for(request, PULL_TIMEOUT_S)
    except (JsonRpcException, TimeoutError) as error:
        logger.warning("The client did not give its configuration: %s", error or "no answer")
        return
    await apply(server, answer[0] if answer else None, live=live)


async def apply(server: Server, configuration: Any, *, live: bool = False) -> None:
    """Settings from all sources, `configuration` among them; each complaint is shown once.

    A service keeps the number of threads that it was started with. A person who changes it while they work, `live`, is
    given a new service; a window that has only just opened leaves the one that others use as it is.
    """
    before = server.settings
    server.settings, complaints = settings_from(server.initial_options, configuration, server.overrides)
    if server.settings != before:
        server.suggestions.forget_answers()
        server.report_off(None)
    for complaint in complaints:
        if complaint not in server.complaints:
            server.complaints.add(complaint)
            server.tell(complaint)
    set_level(server.settings.log.level)
    if server.settings.sampler != server.sampler.settings:
        n_before = server.sampler.settings.threads
        await server.suggestions.cancel_all()
        await server.sampler.use(server.settings.sampler)
        if live and server.documents and server.settings.sampler.threads != n_before:
            await server.sampler.restart()
