"""Who may be the service: the one process that holds the lifetime lock; only it touches the socket's file.

Files can vanish and come back under a running service: a session ends and takes its runtime folder along, a cleaner
sweeps it. So a service looks whether the files at its place are still its own, leaves where they are not, and takes
away none that is another's.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sampler.protocol.paths import MAX_SOCKET_BYTES, Place
from sampler.protocol.peers import check_place, peer_pid, peer_uid

LOCK_WAIT_S = 30.0
"""How long a new service waits for one that has been told to leave, or is about to notice that it should."""


class AlreadyRunning(Exception):
    """Another process is the service and answers."""


class StartError(Exception):
    """Why no service can run at this place; one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Tenancy:
    """What the service holds at its place: the socket that listens, and the files it made there."""

    listener: socket.socket
    files: dict[Path, tuple[int, int]]
    """Device and inode of each file, socket and lock among them."""

    def lost(self) -> Path | None:
        """The first file that is no longer this service's, None while all are: nobody finds it any more then."""
        return next((path for path, own in self.files.items() if _inode(path) != own), None)


@contextlib.contextmanager
def only_service(place: Place) -> Iterator[Tenancy]:
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
        tenancy = Tenancy(listener, _inodes(place.socket, place.lock))
        try:
            _note_pid(place)
            yield tenancy
        finally:
            _clear(place, tenancy)
    finally:
        lock.release()


def _note_pid(place: Place) -> None:
    try:
        place.pid.write_text(str(os.getpid()), encoding="ascii")
    except OSError as error:
        raise StartError(f"{place.pid} cannot be written ({error.strerror}): make room there.") from None


def _clear(place: Place, tenancy: Tenancy) -> None:
    """Take away what this service made, where no other has made its own by now.

    The socket's inode is not given to another file while it is open, that of the note may be.
    """
    if _inode(place.socket) == tenancy.files.get(place.socket):
        place.socket.unlink(missing_ok=True)
    if _by_note(place.pid) == os.getpid():
        place.pid.unlink(missing_ok=True)
    tenancy.listener.close()


def wait_until_left(place: Place, timeout_s: float) -> bool:
    """Whether no process is the service at `place`, known after `timeout_s`; creates nothing."""
    deadline = time.monotonic() + timeout_s
    while holder(place) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def holder(place: Place) -> int | None:
    """The process that is the service at `place`: who listens there, else who holds the lock; None where nobody does.

    A process that hangs is found as well; neither file needs to tell the truth.
    """
    return _listening(place) or _locking(place)


def note_failure(place: Place, sentence: str) -> None:
    """Write down why this process cannot be the service: the only voice of a detached process."""
    with contextlib.suppress(OSError):  # a full disk takes the reason, the exit code stays
        place.failure.write_text(json.dumps({"pid": os.getpid(), "failure": sentence}), encoding="utf-8")


def answers(place: Place) -> bool:
    """Whether some process of ours accepts connections on the socket."""
    return _listening(place) is not None


def _listening(place: Place) -> int | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            check_place(place.socket)
            probe.connect(str(place.socket))
            return peer_pid(probe) if peer_uid(probe) == os.getuid() else None
        except OSError:
            return None


def _locking(place: Place) -> int | None:
    """Who holds the lock's file: by the kernel's own table, else by the note beside it."""
    try:
        lock = FileLock(place.lock)
        if not place.lock.exists():
            return None
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return _by_kernel(place.lock) or _by_note(place.pid)
    lock.release()
    return None


def _by_kernel(lock: Path) -> int | None:
    inode = _inode(lock)
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            fields = line.split()  # 1: FLOCK ADVISORY WRITE pid major:minor:inode start end
            if inode and "FLOCK" in fields and fields[-3].endswith(f":{inode[1]}"):
                return int(fields[-4])
    return None


def _by_note(note: Path) -> int | None:
    try:
        return int(note.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _wait_for_lock(place: Place) -> FileLock:
    lock = FileLock(place.lock, mode=0o600)
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
    listener = _OurSocket(socket.AF_UNIX, socket.SOCK_STREAM)
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


class _OurSocket(socket.socket):
    """Takes no connection but of this user, and of root, who may do anything."""

    def accept(self) -> tuple[socket.socket, object]:
        """As a socket's own; raises ConnectionAbortedError, which servers pass over, for another user's."""
        connection, address = super().accept()
        if peer_uid(connection) in (os.getuid(), 0):
            return connection, address
        connection.close()
        raise ConnectionAbortedError("another user's connection")


def _inodes(*paths: Path) -> dict[Path, tuple[int, int]]:
    return {path: inode for path in paths if (inode := _inode(path)) is not None}


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        info = path.lstat()
    except OSError:
        return None
    return info.st_dev, info.st_ino
