"""Who may be the service: the one process that holds the lifetime lock; only it touches the socket's file."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import time
from collections.abc import Iterator

from filelock import FileLock, Timeout

from sampler.protocol.paths import MAX_SOCKET_BYTES, Place

LOCK_WAIT_S = 30.0
"""How long a new service waits for one that has been told to leave."""


class AlreadyRunning(Exception):
    """Another process is the service and answers."""


class StartError(Exception):
    """Why no service can run at this place; one sentence that says what to do."""


@contextlib.contextmanager
def only_service(place: Place) -> Iterator[socket.socket]:
    """Be the service at `place`: yields the listening socket; what it made is gone afterwards.

    Raises AlreadyRunning, or StartError with a sentence.
    """
    try:
        place.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _wait_for_lock(place)
    except OSError as error:
        raise StartError(f"{place.socket.parent} cannot hold the sampler's socket: {error.strerror}.") from None
    try:
        listener = _listen(place)
        try:
            place.pid.write_text(str(os.getpid()), encoding="ascii")
            yield listener
        finally:
            listener.close()
            for file in (place.socket, place.pid):
                file.unlink(missing_ok=True)
    finally:
        lock.release()


def wait_until_left(place: Place, timeout_s: float) -> bool:
    """Whether no process is the service at `place`, known after `timeout_s`; creates nothing."""
    if not place.lock.exists():
        return True
    try:
        with FileLock(place.lock).acquire(timeout=timeout_s):
            return True
    except Timeout:
        return False


def note_failure(place: Place, sentence: str) -> None:
    """Write down why this process cannot be the service: the only voice of a detached process."""
    with contextlib.suppress(OSError):  # a full disk takes the reason, the exit code stays
        place.failure.write_text(json.dumps({"pid": os.getpid(), "failure": sentence}), encoding="utf-8")


def answers(place: Place) -> bool:
    """Whether some process accepts connections on the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(place.socket))
        except OSError:
            return False
        return True


def _wait_for_lock(place: Place) -> FileLock:
    lock = FileLock(place.lock)
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=0.1, poll_interval=0.02)
            return lock
        if answers(place):
            raise AlreadyRunning
        if time.monotonic() > deadline:
            raise StartError(f"Another sampler holds {place.lock} and neither answers nor leaves: run `seedfill stop`.")


def _listen(place: Place) -> socket.socket:
    """Bind the socket; the lock is held, so a socket file that lies there belongs to nobody."""
    path = place.socket
    if len(os.fsencode(path)) >= MAX_SOCKET_BYTES:
        raise StartError(f"The socket's path {path} is too long: {MAX_SOCKET_BYTES} bytes is the limit.")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_symlink() or path.exists():
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise StartError(f"{path} is in the way of the sampler's socket: move that file elsewhere.")
            path.unlink()
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise StartError(f"The sampler's socket {path} cannot be made: {error.strerror}.") from None
    except StartError:
        listener.close()
        raise
    return listener
