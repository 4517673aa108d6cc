"""Settings: from initializationOptions at first, then from the workspace's configuration whenever it changes.

Of a workspace with several folders, each folder's own are asked for too. They hold for its files; what is about the
sampler or the log is the window's alone.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from lsp_server.process.log import set_level
from lsp_server.session import Server, file_path
from lsp_server.workspace.settings import Settings, settings_from

logger = logging.getLogger(__name__)

SECTION = "seedfill"
PULL_TIMEOUT_S = 10


def register(server: Server) -> None:
    """Follow changes of the configuration and of the workspace."""
    server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)(did_change_configuration)
    server.feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(did_change_workspace_folders)


async def did_change_configuration(ls: Server, params: lsp.DidChangeConfigurationParams) -> None:
    """Use what the client pushes, or ask for it where it only says that something changed."""
    pushed = params.settings.get(SECTION) if isinstance(params.settings, dict) else None
    await (apply(ls, pushed, live=True) if pushed is not None else pull(ls, live=True))


async def did_change_workspace_folders(ls: Server, params: lsp.DidChangeWorkspaceFoldersParams) -> None:
    """Other folders have other settings."""
    await pull(ls)


async def pull(server: Server, *, live: bool = False) -> None:
    """Ask the client for its configuration, where it can be asked; `live` as in `apply`."""
    workspace = server.client_capabilities.workspace
    if not (workspace and workspace.configuration):
        return
    folders = [*server.workspace.folders.values()] if len(server.workspace.folders) > 1 else []
    scopes = [None, *(folder.uri for folder in folders)]
    items = [lsp.ConfigurationItem(scope_uri=scope, section=SECTION) for scope in scopes]
    request = server.workspace_configuration_async(lsp.ConfigurationParams(items=items))
    try:
        answer = await asyncio.wait_for(request, PULL_TIMEOUT_S)
    except (JsonRpcException, TimeoutError) as error:
        logger.warning("The client did not give its configuration: %s", error or "no answer")
        return
    window, *own = answer or [None]
    of_folders = {file_path(folder.uri): given for folder, given in zip(folders, own, strict=False)}
    await apply(server, window, of_folders, live=live)


async def apply(
    server: Server, configuration: Any, of_folders: Mapping[PurePath, Any] | None = None, *, live: bool = False
) -> None:
    """Settings from all sources, `configuration` among them; each complaint is shown once.

    A service keeps the number of threads that it was started with. A person who changes it while they work, `live`, is
    given a new service; a window that has only just opened leaves the one that others use as it is.
    """
    before = server.settings, server.folder_settings
    server.settings = _settings(server, configuration)
    server.folder_settings = {
        folder: dataclasses.replace(_settings(server, given), sampler=server.settings.sampler, log=server.settings.log)
        for folder, given in (of_folders or {}).items()
    }
    if (server.settings, server.folder_settings) != before:
        server.suggestions.forget_answers()
        server.report_off(None)
    set_level(server.settings.log.level)
    if server.settings.sampler != server.sampler.settings:
        n_before = server.sampler.settings.threads
        await server.suggestions.cancel_all()
        await server.sampler.use(server.settings.sampler)
        if live and server.documents and server.settings.sampler.threads != n_before:
            await server.sampler.restart()


def _settings(server: Server, configuration: Any) -> Settings:
    settings, complaints = settings_from(server.initial_options, configuration, server.overrides)
    new = [complaint for complaint in complaints if complaint not in server.complaints]
    server.complaints.update(new)
    if new:
        server.tell(" ".join(new))
    return settings
