"""What holds for every test: folders of its own instead of the user's, and threads that do not spin."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampler.model.devices import wait_passively

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is loaded: each worker has a core, not all of them
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a server that is started a hundred times is compiled once
wait_passively()


@pytest.fixture(scope="session", autouse=True)
def _own_folders() -> Iterator[None]:
    """No test meets the user's service, state or models, nor those of a worker beside it.

    The path is short: a socket lies below it.
    """
    home = Path(tempfile.mkdtemp(prefix="sf-"))
    names = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setenv(name, str(home / name[4:-4].lower()))
        yield
        _stop_service()
    shutil.rmtree(home, ignore_errors=True)


def _stop_service() -> None:
    """A service that a test started by way of the command line outlives that command."""
    from sampler.protocol.client import stop_service

    stop_service()
