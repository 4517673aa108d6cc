"""The resident sampler as a process: one for every editor of a user, started on demand, gone when idle.

Nothing here needs torch until the engine is built, which happens behind the open socket.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import uvicorn

from sampler.model.devices import wait_passively
from sampler.protocol.handshake import Identity, current_identity
from sampler.protocol.launch import ALREADY_RUNNING
from sampler.protocol.lifetime import AlreadyRunning, StartError, note_failure, only_service
from sampler.protocol.paths import PathError, Place, default_model_folder, log_file, shared_place
from sampler.protocol.private_files import PrivateLog
from sampler.service import loopback
from sampler.service.app import App, Engine, IdleTimes

GRACE_S = 10
"""What runs when the service is told to leave may take this long to finish."""
EXIT_FAILED = 1

_log = logging.getLogger("sampler")
_log.addHandler(logging.NullHandler())  # what is said before there is a log is on standard error already


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How a service runs. `private`: leave when standard input closes."""

    place: Place
    device: str = "auto"
    memory_budget_bytes: int | None = None
    n_threads: int | None = None
    idle: IdleTimes = IdleTimes()
    private: bool = False
    openai_port: int | None = None
    """Where on the loopback address OpenAI's dialect is spoken; 0: at any free port, None: nowhere."""


EngineFactory: TypeAlias = Callable[[Options], Engine]


def default_engine(options: Options) -> Engine:
    """The real engine; loads torch."""
    from sampler.engine.engine import Engine as RealEngine

    return RealEngine(
        device=options.device,
        memory_budget_bytes=options.memory_budget_bytes,
        n_threads=options.n_threads,
        default_model=default_model_folder(),
    )


class _Server(uvicorn.Server):
    """Does not raise a signal again once it has stopped: socket and lock are still to be put away."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield


def run(options: Options, make_engine: EngineFactory = default_engine, identity: Identity | None = None) -> int:
    """Be the service until it is told to leave or has been idle for long; returns an exit code.

    `make_engine` and `identity`: what answers, and as whom; by default what is installed.
    """
    wait_passively()
    _log_to_file()
    try:
        me = identity or current_identity()
        with only_service(options.place) as tenancy, loopback.listening(options.openai_port) as port:
            app = App(
                lambda: make_engine(options),
                me,
                options.idle,
                leave=lambda: _stop(server),
                beside=lambda: loopback.serving(port, app.events, GRACE_S),
                lost=tenancy.lost,
            )
            server = _Server(_server_config(app))
            if options.private:
                threading.Thread(target=_stop_when_stdin_closes, args=[server], daemon=True).start()
            _log.info("serving %s as %s", options.place.socket, me)
            if sys.stderr and sys.stderr.isatty():
                print(f"Serving {options.place.socket}; the log is {log_file()}; Ctrl-C ends it.", file=sys.stderr)
            if sys.stderr and port:
                print(loopback.described(port), file=sys.stderr, flush=True)
            server.run(sockets=[tenancy.listener])
        if app.failure:
            raise StartError(app.failure)
        return 0
    except AlreadyRunning:
        hint = "" if options.openai_port is None else ": run `seedfill stop` first"
        return _complain(f"A sampler already serves {options.place.socket}{hint}.", ALREADY_RUNNING)
    except (StartError, OSError) as error:
        note_failure(options.place, str(error))
        return _complain(str(error), EXIT_FAILED)


def main(
    arguments: Sequence[str] | None = None,
    make_engine: EngineFactory = default_engine,
    identity: Identity | None = None,
) -> int:
    """`python -m sampler.service`: run in the foreground; returns an exit code."""
    parser = argparse.ArgumentParser("seedfill serve", description="Keep the model resident for every editor.")
    parser.add_argument("--socket", type=Path, help="where to listen (default: the place where editors look)")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    parser.add_argument("--memory-budget", type=parse_size, metavar="SIZE", help="for models, as in 800M or 6G")
    parser.add_argument("--threads", type=int, help="CPU threads (default: by the machine)")
    parser.add_argument("--idle-release-s", type=float, default=600.0, help="free the models' memory after this")
    parser.add_argument("--idle-exit-s", type=float, default=3600.0, help="then leave")
    parser.add_argument("--private", action="store_true", help="leave when standard input closes")
    parser.add_argument("--openai", type=int, metavar="PORT", help="also speak OpenAI's dialect there; 0: any free one")
    given = parser.parse_args(arguments)
    try:
        place = Place(given.socket.absolute()) if given.socket else shared_place()
    except PathError as error:
        return _complain(str(error), EXIT_FAILED)
    options = Options(
        place=place,
        device=given.device,
        memory_budget_bytes=given.memory_budget,
        n_threads=given.threads,
        idle=IdleTimes(given.idle_release_s, given.idle_exit_s),
        private=given.private,
        openai_port=given.openai,
    )
    return run(options, make_engine, identity)


def parse_size(text: str) -> int:
    """Bytes of "1000", "800M" or "1.5G"; raises argparse.ArgumentTypeError."""
    exponent = {"K": 10, "M": 20, "G": 30}.get(text[-1:].upper(), 0)
    try:
        n_bytes = int(float(text[:-1] if exponent else text) * 2**exponent)
    except (ValueError, OverflowError):
        n_bytes = 0
    if n_bytes <= 0:
        raise argparse.ArgumentTypeError("a size looks like 800M or 6G")
    return n_bytes


def _server_config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app.asgi,
        loop="asyncio",
        http="h11",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )


def _stop(server: uvicorn.Server) -> None:
    server.should_exit = True  # the server looks at it ten times a second


def _stop_when_stdin_closes(server: uvicorn.Server) -> None:
    while os.read(0, 4096):
        pass
    _log.info("leaving: the parent is gone")
    _stop(server)


def _log_to_file() -> None:
    """Keep a rotating file in the state folder; standard output belongs to nobody here."""
    handler: logging.Handler = logging.NullHandler()
    problem = None
    try:
        handler = PrivateLog(log_file(), maxBytes=1 << 20, backupCount=2)
    except (OSError, PathError) as error:
        problem = f"No log is kept: {error}."
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s", handlers=[handler]
    )
    logging.captureWarnings(True)
    if problem:  # said once: before there is a handler, the logging library would print it as well
        _complain(problem, 0)


def _complain(sentence: str, exit_code: int) -> int:
    _log.error(sentence)
    if sys.stderr:
        print(sentence, file=sys.stderr)
    return exit_code
