"""Where Seedfill keeps things: XDG folders, the private folder of the service's socket, the default model."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sampler.protocol.messages import PROTOCOL_VERSION

MAX_SOCKET_BYTES = 100
"""The kernel's limit for a Unix socket's path is 108 bytes on Linux, 104 on macOS."""

_SOCKET_NAME = f"sampler-{PROTOCOL_VERSION}.sock"
_LONGEST_SOCKET = f"private-xxxxxxxx/{_SOCKET_NAME}"


class PathError(Exception):
    """A folder that cannot be used; its text is one sentence that says which and what to do."""


def cache_folder() -> Path:
    """What can be computed or fetched again; not created here, as none of these are. PathError: there is no home."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def state_folder() -> Path:
    """Logs, training states, counters."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def log_file() -> Path:
    """What the sampler service did, and why it failed."""
    return state_folder() / "sampler.log"


def data_folder() -> Path:
    """Models that the user fetched or trained."""
    return _xdg("XDG_DATA_HOME", ".local/share")


def models_folder() -> Path:
    """Where those models lie, a folder each."""
    return data_folder() / "models"


def user_models() -> list[Path]:
    """The folders of those models that are there, in order; none that is on its way in or out."""
    found = sorted(config.parent for config in models_folder().glob("*/config.json"))
    return [folder for folder in found if not folder.name.startswith(".")]


def default_model_folder() -> Path:
    """The model that ships with the package, or the folder that SEEDFILL_MODEL names instead."""
    override = os.environ.get("SEEDFILL_MODEL")
    return expanded(override).absolute() if override else Path(__file__).parents[1] / "weights"


def expanded(name: str) -> Path:
    """A path as a person gives it, `~` read as a shell does; as it stands where there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one service is found: its socket, and beside it a lock and two notes."""

    socket: Path

    @property
    def lock(self) -> Path:
        """Held by the service for as long as it lives."""
        return self.socket.with_suffix(".lock")

    @property
    def pid(self) -> Path:
        """The process that holds the lock."""
        return self.socket.with_suffix(".pid")

    @property
    def failure(self) -> Path:
        """Why the last process that could not start could not."""
        return self.socket.with_suffix(".failure")


def shared_place() -> Place:
    """The one service of this user and protocol version; names it without touching the file system."""
    return Place(runtime_folder() / _SOCKET_NAME)


def new_private_place() -> Place:
    """A service of one's own, in a fresh folder that its owner deletes; raises PathError."""
    folder = make_private(runtime_folder())
    return Place(Path(tempfile.mkdtemp(prefix="private-", dir=folder)) / _SOCKET_NAME)


def runtime_folder() -> Path:
    """The folder for sockets: in XDG_RUNTIME_DIR, or else in the state home.

    Where a socket's path would grow too long, a folder among the temporary ones stands for it, under a name that nobody
    can guess: a note in the folder itself says which. Raises PathError where there are no Unix sockets.
    """
    if sys.platform == "win32":
        raise PathError("The sampler needs Unix sockets, which Windows lacks: run Seedfill inside WSL.")
    given = _absolute_from("XDG_RUNTIME_DIR")
    folder = given / "seedfill" if given else state_folder() / "run"
    if _fits(folder):
        return folder
    return _short_folder(folder)


def is_private(folder: Path) -> bool:
    """Whether `folder` is one of ours, no link, and nobody else may enter it."""
    try:
        info = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and not stat.S_IMODE(info.st_mode) & 0o077


def _short_folder(folder: Path) -> Path:
    """The folder that stands for one whose name is too long, made on first use and again where it was swept away."""
    note = make_private(folder) / "place"
    for _ in range(3):  # whoever comes second takes what the first has noted
        with contextlib.suppress(OSError, ValueError):
            noted = Path(note.read_text(encoding="utf-8"))
            if is_private(noted):
                return noted
        _note_place(note)
    raise PathError(f"{note} cannot be kept: set XDG_RUNTIME_DIR to a folder of your own with a short name.")


def _note_place(note: Path) -> None:
    fresh = note.with_name(f".place-{os.getpid()}")
    try:
        fresh.write_text(tempfile.mkdtemp(prefix="seedfill-"), encoding="utf-8")
        note.unlink(missing_ok=True)
        with contextlib.suppress(FileExistsError):
            note.hardlink_to(fresh)
        fresh.unlink()
    except OSError as error:
        raise PathError(f"{note} cannot be written ({error.strerror}): set XDG_RUNTIME_DIR.") from None


def make_private(folder: Path) -> Path:
    """Create `folder` so that nobody else may enter it; raises PathError where that is impossible."""
    what = f"{folder}, the folder for the sampler's socket,"
    hint = "set XDG_RUNTIME_DIR to a folder of your own that can be written"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = folder.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
            raise PathError(f"{what} is not a folder of yours: {hint}.")
        if stat.S_IMODE(info.st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise PathError(f"{what} cannot be made ({error.strerror}): {hint}.") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PathError(f"{what} cannot be written: {hint}.")
    return folder


def obstacle(folder: Path) -> Path | None:
    """What keeps files from being written below `folder`, which need not exist yet; None where nothing does."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if os.access(path, os.F_OK))
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(bytes(4096))  # a full disk still makes files
    except OSError:
        return nearest
    return None


def _xdg(variable: str, default: str) -> Path:
    return (_absolute_from(variable) or _home(variable) / default) / "seedfill"


def _home(variable: str) -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise PathError(f"There is no home folder: set HOME, or {variable} to a folder of your own.") from None


def _absolute_from(variable: str) -> Path | None:
    """The variable's folder; the specification wants relative ones ignored."""
    value = os.environ.get(variable, "")
    return Path(value) if value and Path(value).is_absolute() else None


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / _LONGEST_SOCKET)) < MAX_SOCKET_BYTES
