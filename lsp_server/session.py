"""The session: what one client's server holds, its documents, settings, suggestions and the sampler behind them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any, cast
from urllib.parse import unquote, urlsplit, urlunsplit

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter
from pygls.uris import to_fs_path

from lsp_server.completion.feedback import Feedback
from lsp_server.completion.journal import Journal
from lsp_server.completion.statistics import Statistics
from lsp_server.completion.suggestions import Suggestions
from lsp_server.context.neighbours import Neighbours
from lsp_server.jsonrpc import Protocol
from lsp_server.process.clock import Clock, LoopClock
from lsp_server.process.machine import Machine
from lsp_server.process.sampler_connection import Connect, Phase, SamplerConnection
from lsp_server.workspace.documents import Document, Encoding
from lsp_server.workspace.folders import workspace_folder
from lsp_server.workspace.notebooks import Notebooks
from lsp_server.workspace.settings import Settings
from lsp_server.workspace.switches import Switches

SAY_AGAIN_S = 600.0
"""Seconds until an error that comes back is a message to read again."""

logger = logging.getLogger(__name__)


class Server(LanguageServer):
    """What the features share: open documents, settings, suggestions, and the sampler behind them."""

    protocol: Protocol

    def __init__(
        self,
        connect: Connect,
        *,
        clock: Clock | None = None,
        overrides: Mapping[str, Any] | None = None,
        folder: Path | None = None,
    ) -> None:
        super().__init__(
            "seedfill",
            _version(),
            notebook_document_sync=lsp.NotebookDocumentSyncOptions([lsp.NotebookDocumentFilterWithNotebook("*")]),
            protocol_cls=Protocol,
            converter_factory=default_converter,
        )
        self.protocol.lose_track = self.lose_track
        self.documents: dict[str, Document] = {}
        self.settings = Settings()
        self.folder_settings: dict[PurePath, Settings] = {}
        """Of the folders of a workspace that has several."""
        self.overrides = overrides or {}
        """Settings from the command line, which no client changes."""
        self.initial_options: Any = None
        """The client's initializationOptions."""
        self.complaints: set[str] = set()
        """What was said of the settings, so that nothing is said twice."""
        self.sampler = SamplerConnection(connect, self.report_state)
        self.clock = clock or LoopClock()
        self.machine = Machine()
        self.notebooks = Notebooks()
        self.neighbours = Neighbours(self.documents, self.path_of)
        self.suggestions = Suggestions(
            self.sampler,
            clock=self.clock,
            why_spare=self.machine.why_spare,
            snippets=self.neighbours.snippets,
        )
        self.switches = Switches()
        self.journal = Journal(folder)
        self.folder = folder
        """Where this user's state lies; None: nothing is kept."""
        self.feedback = Feedback(Statistics(folder), self.clock)
        self._background: set[asyncio.Task[None]] = set()
        self.leave = asyncio.Event()
        """Set when the server is to end."""
        self.initialized = asyncio.Event()
        """Set when `initialize` has come, and with it the id of the client's process."""
        self._state: tuple[Phase, str] | None = None
        """Of the sampler, as it was told last."""
        self._why_off: str | None = None
        self._told: tuple[str, str] | None = None
        self._shown_at: dict[str, float] = {}
        """When each error was last a message to read: one cause is one message, however many requests meet it."""

    @property
    def encoding(self) -> Encoding:
        """The unit in which the client counts characters."""
        chosen = self.workspace.position_encoding
        return cast(Encoding, getattr(chosen, "value", chosen))

    @property
    def folders(self) -> tuple[PurePath, ...]:
        """The folders of the workspace; older clients name only a root."""
        uris = [*self.workspace.folders] or [self.workspace.root_uri]
        return tuple(file_path(uri) for uri in uris if uri)

    def path_of(self, uri: str) -> PurePath:
        """The path of a document's file; of a notebook's cell, that of the notebook."""
        return file_path(self.notebooks.holder(uri) or uri)

    def settings_of(self, path: PurePath) -> Settings:
        """The settings that hold for a file: those of the innermost folder that holds it, else the window's."""
        folder = workspace_folder(path, self.folder_settings)
        return self.settings if folder is None else self.folder_settings[folder]

    def report_state(self, state: Phase, message: str) -> None:
        """Tell the client what the sampler does, once for each change; an error also as a message to read."""
        if (state, message) == self._state:
            return
        self._state = (state, message)
        self._tell_state()
        if state == "error" and self.clock.now() - self._shown_at.get(message, -SAY_AGAIN_S) >= SAY_AGAIN_S:
            self._shown_at[message] = self.clock.now()
            self.tell(message, lsp.MessageType.Error)

    def report_off(self, why: str | None) -> None:
        """Tell the client why nothing comes unasked where the cursor is, or that something may again."""
        self._why_off = why
        self._tell_state()

    def _tell_state(self) -> None:
        state = ("off", self._why_off) if self._why_off else self._state
        if state is None and self._told is not None:
            state = ("ready", "")
        if state is not None and state != self._told:
            self._told = state
            self.protocol.notify("seedfill/status", {"state": state[0], "message": state[1]})

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done that nobody waits for; it ends with the server."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def end_background(self) -> None:
        """Wait for nothing any more."""
        self.feedback.close()
        for task in self._background:
            task.cancel()

    def tell(self, message: str, kind: lsp.MessageType = lsp.MessageType.Warning) -> None:
        """Show one sentence to the person at the editor."""
        self.window_show_message(lsp.ShowMessageParams(type=kind, message=f"Seedfill: {message}"))

    def lose_track(self, params: Any) -> None:
        """A change of a document could not be read: what we hold of it is wrong from here on, so drop it."""
        identifier = params.get("textDocument") if isinstance(params, dict) else None
        uri = identifier.get("uri") if isinstance(identifier, dict) else None
        if isinstance(uri, str) and uri in self.documents:
            del self.documents[uri]
            self.suggestions.forget(uri)
            self.tell("A change could not be read. Reopen the file to get suggestions in it again.")

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log it: requests are answered with their error, and nobody waits for the rest."""
        logger.error("%s", error)


def file_path(uri: str) -> PurePath:
    """The path a URI stands for, whatever its scheme: what `git:` shows of a file is as private as the file.

    The end of it where there is no path, of an unsaved buffer for instance.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:  # no URI at all
        return PurePath(uri)
    if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
        return PurePath(to_fs_path(uri) or uri)
    path = unquote(parts.path)
    local = to_fs_path(urlunsplit(("file", "", parts.path, "", ""))) if path.startswith("/") else path
    return PurePath(local or uri)


def _version() -> str:
    try:
        return metadata.version("seedfill")
    except metadata.PackageNotFoundError:
        return "not installed"
