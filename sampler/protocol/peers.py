"""Who is at the other end of a Unix socket, and whether a socket's file is ours: nobody else gets a person's code."""

from __future__ import annotations

import os
import socket
import stat
import struct
from pathlib import Path

_SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID = 0, 1, 2  # macOS, <sys/un.h>
_LINUX_CREDENTIALS = "3i"  # pid, uid, gid


def peer_uid(connection: socket.socket) -> int:
    """The user who holds the other end. Raises OSError where the system does not tell."""
    if hasattr(socket, "SO_PEERCRED"):
        return _linux(connection)[1]
    return int(struct.unpack_from("=I", connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 76), 4)[0])


def peer_pid(connection: socket.socket) -> int:
    """The process that listened when the connection was made. Raises OSError where the system does not tell."""
    if hasattr(socket, "SO_PEERCRED"):
        return _linux(connection)[0]
    return int(struct.unpack("=i", connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4))[0])


def check_place(path: Path) -> None:
    """Raise OSError unless the socket at `path` is ours, in a folder of ours that nobody else may enter."""
    folder = path.parent.lstat()
    if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != os.getuid() or stat.S_IMODE(folder.st_mode) & 0o077:
        raise PermissionError(f"{path.parent} is no private folder of yours.")
    file = path.lstat()
    if not stat.S_ISSOCK(file.st_mode) or file.st_uid != os.getuid():
        raise PermissionError(f"{path} is no socket of yours.")


def _linux(connection: socket.socket) -> tuple[int, int, int]:
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(_LINUX_CREDENTIALS))
    pid, uid, gid = struct.unpack(_LINUX_CREDENTIALS, data)
    return pid, uid, gid
