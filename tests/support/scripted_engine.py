"""An engine without a model: a request's `document` says what happens; as a program, a service around it.

The program reads SCRIPT, a JSON object: `build_fails` (a sentence), `build_waits_for` (a file), `version`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sampler.protocol.handshake import ModelHealth, current_identity
from sampler.protocol.messages import Candidate, Event, Failure, InfillRequest, InfillResult, Loading, Progress
from sampler.service import process

SCRIPT = "SEEDFILL_TEST_SCRIPT"


class Ticket:
    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()


@dataclasses.dataclass(frozen=True)
class EngineState:
    device: str
    models: tuple[ModelHealth, ...]
    queue_length: int
    counters: dict[str, int]
    notices: tuple[str, ...] = ("This is a script.",)
    slot_bytes: int = 0


class ScriptedEngine:
    """`document` is "echo", "fail", "load", "hang", "until:FILE", "die" or "die-unless:FILE"."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter(submitted=0, cancelled=0, released=0)
        self.counters["threads_wait_passively"] = int(os.environ.get("OMP_WAIT_POLICY") == "PASSIVE")
        self.counters["torch_is_loaded"] = int("torch" in sys.modules)
        self.loaded = False

    def submit(self, request: InfillRequest, on_event: Callable[[Event], None]) -> Ticket:
        ticket = Ticket()
        self.counters["submitted"] += 1
        threading.Thread(target=self._play, args=(request, ticket, on_event), daemon=True).start()
        return ticket

    def state(self) -> EngineState:
        model = ModelHealth(id="scripted", bytes=1000, device="cpu", dtype="float32", loaded=self.loaded)
        return EngineState("cpu", (model,), 0, dict(self.counters))

    def release_idle(self) -> None:
        self.loaded = False
        self.counters["released"] += 1

    def forget(self, documents: Iterable[str]) -> None:
        self.counters["forgotten"] += len(list(documents))

    def close(self) -> None:
        pass

    def _play(self, request: InfillRequest, ticket: Ticket, on_event: Callable[[Event], None]) -> None:
        verb, _, file = request.document.partition(":")
        if verb == "load":
            on_event(Loading(model="scripted", fraction=0.5))
        self.loaded = True
        if verb == "fail":
            on_event(Failure(kind="failed", message="The script says no."))
            return
        if verb in ("hang", "until"):
            on_event(Progress(fills=("…",)))
            while not (file and Path(file).exists()):
                if ticket.cancelled.wait(0.01):
                    self.counters["cancelled"] += 1
                    on_event(Failure(kind="cancelled", message="The request was cancelled."))
                    return
        if verb.startswith("die") and not (file and Path(file).exists()):
            if file:
                Path(file).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        on_event(result(request))


def result(request: InfillRequest) -> InfillResult:
    """One candidate whose spans repeat, in capitals, the text before them."""
    fills = tuple(piece.upper() for piece in request.pieces[:-1])
    candidate = Candidate(fills=fills, tokens=3, forwards=2, confidence=0.9, finish="end")
    return InfillResult(
        candidates=(candidate,),
        model="scripted",
        device="cpu",
        ms=12.5,
        load_ms=0.0,
        tokens_computed=7,
        cache_miss="cold",
    )


def build(script: dict[str, Any]) -> ScriptedEngine:
    waits_for = script.get("build_waits_for")
    while waits_for and not Path(waits_for).exists():
        threading.Event().wait(0.01)
    if "build_fails" in script:
        raise RuntimeError(script["build_fails"])
    return ScriptedEngine()


def main() -> int:
    script = json.loads(os.environ.get(SCRIPT, "{}"))
    identity = current_identity()
    if "version" in script:
        identity = dataclasses.replace(identity, version=script["version"])
    return process.main(make_engine=lambda _: build(script), identity=identity)


if __name__ == "__main__":
    sys.exit(main())
