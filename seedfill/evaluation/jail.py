"""Run one Python program with as little as it needs. A script for `python -I`; imports nothing of this project.

    python -I jail.py PROGRAM PASSED CPU_SECONDS MEMORY_BYTES FILE_BYTES

The process gets no network and sees no other processes (name spaces of its own; an audit hook refuses sockets
besides), writes nowhere but in its folder (Landlock), has limits on processor time, memory, file size and processes,
is an unprivileged user where root started it, and dies with its parent and with all its children. It exits with the
code PASSED only when the program ran to its end: a program that exits early has not passed its tests.
Linux has all of this; elsewhere what is missing is left out. This keeps a model's accidents in; it is no wall
against somebody who means harm.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import Any

_CLONE_NEWNET = 0x40000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWPID = 0x20000000
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_READ_SEARCH = 2
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_WRITES = (1 << 1, *(1 << bit for bit in range(4, 13)))
"""Write, remove and make files of each kind: include/uapi/linux/landlock.h, LANDLOCK_ACCESS_FS_*."""
_LANDLOCK_REFER, _LANDLOCK_TRUNCATE = 1 << 13, 1 << 14
NOBODY = 65534
_MAX_PROCESSES = 32


def main(program: str, passed: str, cpu_seconds: str, memory_bytes: str, file_bytes: str) -> None:
    """Give up what is not needed, then run the program."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        _leave_name_spaces(libc)
        _become_nobody(libc)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after the change of user, which clears it
        _write_only_below(libc, Path(program).parent)
    _limit(int(cpu_seconds), int(memory_bytes), int(file_bytes))
    code = Path(program).read_bytes().decode("utf-8", "surrogatepass")
    sys.addaudithook(_refuse_network)
    sys.argv = [program]
    exec(compile(code, program, "exec"), {"__name__": "__main__", "__file__": program})  # noqa: S102
    os._exit(int(passed))


def _leave_name_spaces(libc: Any) -> None:
    """Into an empty network and process name space: at once for root, within a user name space for others.

    A process name space holds for children only, so this goes on in a child, whose end takes all of its own along.
    """
    wanted = _CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWPID
    if libc.unshare(wanted) != 0 and libc.unshare(wanted | _CLONE_NEWUSER) != 0:
        return  # the audit hook remains
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)


def _write_only_below(libc: Any, folder: Path) -> None:
    """Landlock: files may be written and made in `folder` (and /dev/null) alone; reading stays as it was."""
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return
    writes = sum(_LANDLOCK_WRITES)
    handled = writes | (_LANDLOCK_REFER if version >= 2 else 0) | (_LANDLOCK_TRUNCATE if version >= 3 else 0)
    ruleset = libc.syscall(_LANDLOCK_CREATE_RULESET, struct.pack("Q", handled), 8, 0)
    for path, allowed in ((folder, handled), (Path(os.devnull), handled & (1 << 1 | _LANDLOCK_TRUNCATE))):
        rule = struct.pack("=Qi", allowed, os.open(path, os.O_PATH | os.O_CLOEXEC))
        if libc.syscall(_LANDLOCK_ADD_RULE, ruleset, 1, rule, 0) != 0:
            raise OSError(ctypes.get_errno(), "landlock_add_rule")
    if libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")


def _become_nobody(libc: Any) -> None:
    """Root becomes nobody, who may write in the throw-away folder alone.

    Where nobody may not read the interpreter's own library (it lies in a private home, say), the process keeps
    the one capability to read files.
    """
    if os.geteuid() != 0:
        return
    keep_reading = not _nobody_can_read(Path(os.__file__).resolve())
    if keep_reading:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if keep_reading:
        _keep_one_capability(libc, _CAP_DAC_READ_SEARCH)


def _nobody_can_read(file: Path) -> bool:
    return bool(file.stat().st_mode & 0o004) and all(folder.stat().st_mode & 0o001 for folder in file.parents)


def _keep_one_capability(libc: Any, capability: int) -> None:
    """The sets are three words for each half of the 64 capabilities: effective, permitted, inheritable."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(1 << capability, 1 << capability, 0, 0, 0, 0)
    if libc.capset(ctypes.byref(header), ctypes.byref(sets)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _limit(cpu_seconds: int, memory_bytes: int, file_bytes: int) -> None:
    for kind, limit in (
        ("RLIMIT_CPU", cpu_seconds),
        ("RLIMIT_AS", memory_bytes),
        ("RLIMIT_FSIZE", file_bytes),
        ("RLIMIT_NPROC", _MAX_PROCESSES),
        ("RLIMIT_NOFILE", 64),
        ("RLIMIT_CORE", 0),
    ):
        with contextlib.suppress(AttributeError, ValueError, OSError):  # not every system has or lowers each
            resource.setrlimit(getattr(resource, kind), (limit, limit))


def _refuse_network(event: str, _arguments: tuple[object, ...]) -> None:
    if event.startswith("socket."):
        raise PermissionError("There is no network here.")


if __name__ == "__main__":
    main(*sys.argv[1:])
