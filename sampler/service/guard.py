"""Who may use the loopback port: holders of a token that only this user can read, and no web page.

A port of this machine is open to every program and user on it, and a browser reaches it for any page. So each
request needs the token; its Host must be this machine (a name that a page made point here is another one), and an
Origin, which only browsers send, must be this very port.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sampler.protocol.paths import state_folder
from sampler.protocol.whole import whole_file

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")


class TokenError(Exception):
    """A token file that cannot be used; its text is one sentence that says what to do."""


def token_file() -> Path:
    """Where the token lies."""
    return state_folder() / "openai-token"


def token() -> str:
    """This user's token, made at the first call and kept, so that editors are set up once; raises TokenError."""
    path = token_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            with whole_file(path) as fresh:
                fresh.write_text(secrets.token_urlsafe(32) + "\n", encoding="ascii")
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077:
            raise TokenError(f"{path} must be a file that only you can read: delete it, and a new one is made.")
        found = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise TokenError(f"{path}, the token for the OpenAI-compatible port, cannot be used: {error}.") from None
    if not found:
        raise TokenError(f"{path} is empty: delete it, and a new one is made.")
    return found


class Guard:
    """Lets through to `app` what comes for this port of this machine, from no web page, with the token."""

    def __init__(self, app: ASGIApp, secret: str, port: int) -> None:
        self._app = app
        self._secret = secret.encode()
        self._hosts = {f"{name}:{port}" for name in NAMES}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        if refusal:  # a connection that stays open takes the place of one that has the token
            refusal.headers["Connection"] = "close"
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        if len(hosts := headers.getlist("host")) != 1 or hosts[0].lower() not in self._hosts:
            return error_response(403, "Only requests for 127.0.0.1 or localhost are answered here.", "forbidden_host")
        if not self._origins.issuperset(headers.getlist("origin")):
            return error_response(403, "Web pages are not answered here.", "forbidden_origin")
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(given.strip().encode(), self._secret):
            where = f"send it as `Authorization: Bearer TOKEN`; it lies in {token_file()}"
            return error_response(401, f"The token is missing or wrong: {where}.", "invalid_api_key")
        return None


def error_response(status: int, message: str, code: str | None = None) -> JSONResponse:
    """An error in the shape that OpenAI's clients read."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(error_body(status, message, code), status, headers=headers)


def error_body(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """What says so in a stream that has already begun, too."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
