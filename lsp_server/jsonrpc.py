"""The protocol library, made to keep two promises: every request id is answered, and documents are our own.

The library drops requests whose parameters it cannot decode, and splits lines where the protocol does not.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any, TypeGuard, cast
from urllib.parse import unquote, urlsplit, urlunsplit

import cattrs
from lsprotocol import types as lsp
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInternalError,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcMethodNotFound,
    JsonRpcParseError,
    JsonRpcServerNotInitialized,
)
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, default_converter
from pygls.protocol.json_rpc import JsonRPCNotification, JsonRPCRequestMessage, JsonRPCResponseMessage
from pygls.uris import to_fs_path

from lsp_server import lenient
from lsp_server.completion.feedback import Feedback
from lsp_server.completion.journal import Journal
from lsp_server.completion.statistics import Statistics
from lsp_server.completion.suggestions import Suggestions
from lsp_server.context.neighbours import Neighbours, home
from lsp_server.process.clock import Clock, LoopClock
from lsp_server.process.machine import Machine
from lsp_server.process.sampler_connection import Connect, Phase, ResidentSampler
from lsp_server.workspace.documents import Document, Encoding
from lsp_server.workspace.notebooks import Notebooks
from lsp_server.workspace.settings import Settings
from lsp_server.workspace.switches import Switches

MAX_NESTED = 10_000
"""Levels of a message to which its id is looked for, when it is refused for them."""
SAY_AGAIN_S = 600.0
MAX_LOGGED = 500
"""Characters of a complaint that go into the log."""

logger = logging.getLogger(__name__)


class Protocol(LanguageServerProtocol):
    """JSON-RPC in which no message is lost without an answer or a line in the log."""

    _server: Server

    def receive(self, body: bytes) -> None:
        """Handle one message as it came over the wire."""
        try:
            message = json.loads(body)
        except RecursionError:
            msg_id, sentence = _id_of_nested(body), "A message is nested too deep to be read."
            self._refuse(msg_id, JsonRpcParseError(sentence) if msg_id is None else JsonRpcInvalidRequest(sentence))
        except ValueError as error:
            self._refuse(None, JsonRpcParseError(f"A message is not JSON: {error}"))
        else:
            self.handle_message(message)

    def handle_message(self, message: Any) -> None:
        """Handle one decoded message, whatever it holds."""
        fields = message if isinstance(message, dict) else {}
        try:
            self._check(fields)
            if "method" in fields or self._is_awaited(fields["id"]):
                super().handle_message(self._structured(fields))
            else:
                logger.info("Nobody waits for the answer to %s.", _in_one_line(str(fields["id"])))
        except JsonRpcException as error:
            self._give_up(fields, error)
        except Exception as error:
            logger.exception("A message could not be handled.")
            self._give_up(fields, JsonRpcInternalError(f"The message could not be handled: {error}"))

    @property
    def is_initialized(self) -> bool:
        """Whether `initialize` has come."""
        return self._workspace is not None

    @property
    def is_shut_down(self) -> bool:
        """Whether `shutdown` has come."""
        return bool(self._shutdown)

    def _is_awaited(self, msg_id: str | int) -> bool:
        """Whether an answer settles a request of ours: neither one that was given up, nor a request of the client's."""
        waiting = self._request_futures.get(msg_id)
        if msg_id in self._result_types and isinstance(waiting, Future) and not waiting.done():
            return True
        if self._result_types.pop(msg_id, None):
            self._request_futures.pop(msg_id, None)
        return False

    def _handle_cancel_notification(self, msg_id: object) -> None:
        if _is_id(msg_id):
            super()._handle_cancel_notification(msg_id)

    def _check(self, message: dict[str, Any]) -> None:
        """Raise what is wrong with a message as a whole."""
        method, is_request = message.get("method"), "id" in message
        if message.get("jsonrpc") != self.VERSION or (is_request and not _is_id(message["id"])):
            raise JsonRpcInvalidRequest("A message needs 'jsonrpc': '2.0', and a string or an integer as its id.")
        if method is None and is_request:
            return
        if not isinstance(method, str):
            raise JsonRpcInvalidRequest("A message needs a method, or the id of a request that it answers.")
        self._check_method(method, is_request)
        self._check_order(method)

    def _check_method(self, method: str, is_request: bool) -> None:
        if method not in self.fm.builtin_features and method not in self.fm.features and method != lsp.CANCEL_REQUEST:
            raise JsonRpcMethodNotFound.of(method)
        if is_request and self.get_message_type(method) and not self.get_result_type(method):
            raise JsonRpcInvalidRequest(f"{method} is a notification, so it takes no id.")

    def _check_order(self, method: str) -> None:
        if method == lsp.EXIT:
            return
        if self.is_shut_down:
            raise JsonRpcInvalidRequest(f"The server was shut down, so {method} comes too late.")
        if not self.is_initialized and method != lsp.INITIALIZE:
            raise JsonRpcServerNotInitialized(f"The server waits for initialize, so {method} comes too early.")
        if self.is_initialized and method == lsp.INITIALIZE:
            raise JsonRpcInvalidRequest("The server was initialized before.")

    def _structured(self, message: dict[str, Any]) -> Any:
        """The typed message, without what in it cannot be read; raises JsonRpcInvalidParams where that is too much.

        The library's own way of doing this logs a traceback for each thing that a client gets wrong.
        """
        what = message.get("method", "an answer")
        try:
            found, left_out = lenient.structure(self._converter, message, self._type_of(message))
            if left_out:
                logger.info("Left out of %s: %s", what, _in_one_line(", ".join(left_out)))
            return found
        except Exception as error:
            raise JsonRpcInvalidParams(f"Malformed {what}: {_faults(error)}.") from None

    def _type_of(self, message: dict[str, Any]) -> type[Any]:
        method = message.get("method")
        if method is None:
            answer = self._result_types.pop(message["id"], None) or JsonRPCResponseMessage
            return lsp.ResponseErrorMessage if "error" in message else answer
        plain = JsonRPCRequestMessage if "id" in message else JsonRPCNotification
        return self.get_message_type(method) or plain

    def _send_handler_result(self, future: Future[Any], *, msg_id: str | int) -> None:
        """Answer a request; what is wrong with it is a line in the log, what is wrong with us a traceback."""
        error = None if future.cancelled() else future.exception()
        if not isinstance(error, JsonRpcException):
            super()._send_handler_result(future, msg_id=msg_id)
            return
        self._request_futures.pop(msg_id, None)
        self._refuse(msg_id, error)

    def _give_up(self, message: dict[str, Any], error: JsonRpcException) -> None:
        """Answer a request, settle what waits for a malformed answer, and note what else was lost."""
        method, msg_id = message.get("method"), message.get("id")
        if method is None and _is_id(msg_id):
            logger.warning("An answer cannot be read: %s", _in_one_line(error.message))
            waiting = self._request_futures.pop(msg_id, None)
            if isinstance(waiting, Future) and not waiting.done():
                waiting.set_exception(error)
        elif "id" in message or "method" not in message:
            self._refuse(msg_id if _is_id(msg_id) else None, error)
        else:
            self._lose_notification(str(method), message.get("params"), error)

    def _refuse(self, msg_id: str | int | None, error: JsonRpcException) -> None:
        logger.warning("Refused a message: %s", _in_one_line(error.message))
        answer = {"jsonrpc": self.VERSION, "id": msg_id, "error": {"code": error.code, "message": error.message}}
        self._send_data(answer)

    def _lose_notification(self, method: str, params: Any, error: JsonRpcException) -> None:
        level = logging.DEBUG if method.startswith("$/") else logging.WARNING
        logger.log(level, "Ignored: %s", _in_one_line(error.message))
        if method == lsp.TEXT_DOCUMENT_DID_CHANGE:
            self._server.lose_track(params)


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
        self.sampler = ResidentSampler(connect, self.report_state)
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
        folder = home(path, self.folder_settings)
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


def _id_of_nested(body: bytes) -> str | int | None:
    """The id of a message that is nested too deep for a reader that recurses."""
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(MAX_NESTED)
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    finally:
        sys.setrecursionlimit(limit)
    msg_id = message.get("id") if isinstance(message, dict) and "method" in message else None
    return msg_id if _is_id(msg_id) else None


def _is_id(value: object) -> TypeGuard[str | int]:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _faults(error: BaseException) -> str:
    return "; ".join(cattrs.transform_error(error))


def _in_one_line(message: str) -> str:
    """What a client sent may be part of the message, and may be long."""
    return " ".join(message[:MAX_LOGGED].split())


def _version() -> str:
    try:
        return metadata.version("seedfill")
    except metadata.PackageNotFoundError:
        return "not installed"
