"""JSON-RPC as the protocol library speaks it, made to keep a promise: every request id is answered, and once.

The library drops requests whose parameters it cannot decode.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeGuard

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
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.json_rpc import JsonRPCNotification, JsonRPCRequestMessage, JsonRPCResponseMessage

from lsp_server import lenient

MAX_NESTED = 10_000
"""Levels of a message to which its id is looked for, when it is refused for them."""
MAX_LOGGED = 500
"""Characters of a complaint that go into the log."""

logger = logging.getLogger(__name__)


class Protocol(LanguageServerProtocol):
    """JSON-RPC in which no message is lost without an answer or a line in the log."""

    lose_track: Callable[[Any], None]
    """Called with the parameters of a change that could not be read."""

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
        if "method" not in message and is_request:
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
        if "method" not in message:
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
        if "method" not in message and _is_id(msg_id):
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
            self.lose_track(params)


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
