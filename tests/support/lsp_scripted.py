"""A language server and a sampler service that follow a script: real processes, a real socket, no model.

`python -m tests.support.lsp_scripted server` is the language server whose sampler is
`python -m tests.support.lsp_scripted service`, the real service around a scripted engine: a private one, or for
`window` instead of `server` the one that is shared. The folder that
SEEDFILL_TEST_LSP names holds `script.json`, a list of rules that is read for each request, and
`requests.jsonl`, where every request and every cancellation is written down.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lsp_server.workspace.settings import SamplerMode
from sampler.protocol.messages import Event, Failure, InfillRequest, Loading, Progress
from tests.support.scripted_engine import ScriptedEngine, Ticket, result

FOLDER = "SEEDFILL_TEST_LSP"
APPLY_TIMEOUT = "SEEDFILL_TEST_APPLY_TIMEOUT"
MODULE = "tests.support.lsp_scripted"
COMMAND = [sys.executable, "-m", MODULE]


class Script:
    """The folder that a test and its service share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {FOLDER: str(folder)}

    def rules(self, *rules: dict[str, Any]) -> None:
        """The first rule whose `before` the prefix ends with holds.

        It says `fills` (candidates, best first) or `spans` (the fills of one candidate), `until` (a file in the folder
        to wait for), `fails` (a sentence), `loading` (a fraction to report first), `progress` (texts on the way).
        """
        temporary = self.folder / "script.tmp"
        temporary.write_text(json.dumps(rules), encoding="utf-8")
        temporary.replace(self.folder / "script.json")

    def rule_for(self, before: str) -> dict[str, Any]:
        rules = json.loads((self.folder / "script.json").read_text(encoding="utf-8"))
        return next((rule for rule in rules if before.endswith(rule.get("before", ""))), {"fills": []})

    def log(self, **entry: Any) -> None:
        with (self.folder / "requests.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")

    def entries(self, what: str) -> list[dict[str, Any]]:
        log = self.folder / "requests.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["what"] == what]

    def release(self, name: str) -> None:
        (self.folder / name).touch()


class FollowsScript(ScriptedEngine):
    """Answers by the rules of the script instead of by the request's `document`."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script

    def _play(self, request: InfillRequest, ticket: Ticket, on_event: Callable[[Event], None]) -> None:
        rule = self.script.rule_for(request.pieces[0])
        self.script.log(what="request", **asdict(request))
        if "loading" in rule:
            on_event(Loading(model="scripted", fraction=rule["loading"]))
        for text in rule.get("progress", ()):
            on_event(Progress(fills=(text,)))
        if "until" in rule and not self._waits(self.script.folder / rule["until"], ticket):
            self.script.log(what="cancelled", document=request.document, before=request.pieces[0])
            on_event(Failure(kind="cancelled", message="The request was cancelled."))
        elif "fails" in rule:
            on_event(Failure(kind="failed", message=rule["fails"]))
        else:
            on_event(answer(request, *([fill] for fill in rule.get("fills", ())), *filter(None, [rule.get("spans")])))

    def _waits(self, file: Path, ticket: Ticket) -> bool:
        """Whether the file came before a cancellation."""
        while not file.exists():
            if ticket.cancelled.wait(0.01):
                return False
        return True


def answer(request: InfillRequest, *candidates: list[str]) -> Event:
    from dataclasses import replace

    scripted = result(request)
    template = scripted.candidates[0]
    found = tuple(replace(template, fills=tuple(fills)) for fills in candidates or ([""],))
    return replace(scripted, candidates=found)


def serve_language(sampler: SamplerMode) -> int:
    from lsp_server import server
    from lsp_server.features import editing
    from lsp_server.process.sampler_connection import Client, Report
    from lsp_server.workspace.settings import SamplerSettings

    def connect(settings: SamplerSettings, report: Report) -> Client:
        return server.connect_client(settings, report, command=[*COMMAND, "service"])

    editing.APPLY_TIMEOUT_S = float(os.environ.get(APPLY_TIMEOUT, editing.APPLY_TIMEOUT_S))
    os.environ.setdefault("SEEDFILL_MODEL", str(model_without_facts(Path(os.environ[FOLDER]))))
    return server.run(sampler=sampler, connect=connect)


def model_without_facts(folder: Path) -> Path:
    """A model of which nothing is known: what is offered and held back hangs on the script, not on what ships."""
    model = folder / "scripted-model"
    model.mkdir(exist_ok=True)
    (model / "config.json").write_text('{"seedfill": {}}')
    return model


def serve_samples() -> int:
    from sampler.service import process

    script = Script(Path(os.environ[FOLDER]))
    return process.main(sys.argv[2:], make_engine=lambda _: FollowsScript(script))


if __name__ == "__main__":
    assert threading.current_thread() is threading.main_thread()
    if sys.argv[1] == "service":
        sys.exit(serve_samples())
    sys.exit(serve_language("shared" if sys.argv[1] == "window" else "private"))
