"""The service as a process, spoken to byte by byte; a scripted engine stands behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from sampler.protocol.handshake import current_identity, health_from_json
from sampler.protocol.messages import PROTOCOL_VERSION, to_json
from sampler.protocol.paths import log_file
from sampler.service import app, bodies, process
from tests.support.sampler_home import COMMAND, PATIENCE_S, Home, eventually, request, sampler_home
from tests.support.scripted_engine import ScriptedEngine


@pytest.fixture
def home() -> Iterator[Home]:
    with sampler_home() as home:
        yield home


@pytest.fixture(scope="module")
def running() -> Iterator[Home]:
    """One service for all tests that leave it as it was."""
    with sampler_home() as home:
        home.start()
        yield home


def infill(home: Home, content: bytes) -> tuple[int, list[dict[str, Any]]]:
    with home.client() as http:
        answer = http.post("/v1/infill", content=content)
    return answer.status_code, [json.loads(line) for line in answer.text.splitlines()]


def encoded(document: str = "echo", **fields: Any) -> bytes:
    return json.dumps(to_json(request(document, **fields))).encode()


def test_events_come_as_lines_and_end_with_the_result(running: Home) -> None:
    status, events = infill(running, encoded("load"))
    assert status == 200
    assert [event["event"] for event in events] == ["loading", "result"]


def test_a_failure_is_the_last_event(running: Home) -> None:
    assert infill(running, encoded("fail"))[1] == [
        {"event": "failure", "kind": "failed", "message": "The script says no."}
    ]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The request's body is not JSON."),
        (b"\xff\xfe\x00", "The request's body is not JSON."),
        (b"[" * 100_000, "The request's body is not JSON."),
        (b"[]", "InfillRequest must be a JSON object."),
        (b'{"document": "a"}', "InfillRequest needs the field 'pieces'."),
        (b'{"document": "a", "pieces": ["x"]}', "A request needs 1 to 8 spans."),
        (b'{"document": "a", "pieces": "xy"}', "pieces must be a list."),
        (b'{"document": "a", "pieces": ["", ""], "max_tokens": 9999}', "max_tokens must be from 1 to 1024."),
        (b" " * (9 << 20), "A request may have at most 8388608 bytes: send smaller windows."),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else "",
)
def test_a_malformed_request_is_answered_with_one_sentence(running: Home, body: bytes, sentence: str) -> None:
    status, events = infill(running, body)
    assert (status, events) == (400, [{"event": "failure", "kind": "bad_input", "message": sentence}])


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02 no request at all\r\n\r\n",
        b"GET /health",
        b"POST /v1/infill HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{",
        b"POST /v1/infill HTTP/1.1\r\nhost: x\r\ncontent-length: nonsense\r\n\r\n{}",
        b"POST /v1/infill HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /health HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 100_000,
    ],
    ids=["noise", "half a line", "half a body", "bad length", "bad chunk", "endless head"],
)
def test_garbage_and_half_requests_do_no_harm(running: Home, garbage: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(BrokenPipeError):
        client.connect(str(running.place.socket))
        client.sendall(garbage)
    assert infill(running, encoded())[0] == 200


async def test_half_a_body_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_S", 0.05)

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    asgi = app.App(ScriptedEngine, current_identity(), app.IdleTimes(), lambda: None).asgi
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://sampler") as http:
        answer = await http.post("/v1/infill", content=body())
    assert answer.status_code == 400
    assert "Only part of the request came" in answer.text


def test_a_client_that_goes_away_cancels_its_request(running: Home) -> None:
    before = running.counters()["cancelled"]
    with running.client() as http, http.stream("POST", "/v1/infill", content=encoded("hang")) as answer:
        lines = answer.iter_lines()
        assert "progress" in next(lines)
        assert running.counters()["cancelled"] == before
    eventually(lambda: running.counters()["cancelled"] == before + 1)


def test_health_says_who_it_is_and_how_it_does(running: Home) -> None:
    health = health_from_json(json.loads(running.get("/health") or b""))
    assert health.identity == current_identity()
    assert health.identity.protocol == PROTOCOL_VERSION
    assert (health.status, health.device, health.notices) == ("ready", "cpu", ("This is a script.",))
    assert [(model.id, model.bytes) for model in health.models] == [("scripted", 1000)]


def test_metrics_are_prometheus_text(running: Home) -> None:
    infill(running, encoded())
    lines = (running.get("/metrics") or b"").decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert all(float(value) >= 0 for value in values.values())
    assert int(values['seedfill_requests_total{outcome="end"}']) >= 1
    assert int(values["seedfill_engine_submitted_total"]) >= int(values["seedfill_request_seconds_count"]) >= 1
    assert values['seedfill_request_seconds_bucket{le="0.01"}'] == "0"
    assert values['seedfill_request_seconds_bucket{le="0.02"}'] == values["seedfill_request_seconds_count"]
    assert values["seedfill_requests_running"] == "0"
    assert values["seedfill_model_bytes"] == "1000"


def test_threads_wait_passively_and_torch_is_the_engines_business(running: Home) -> None:
    counters = running.counters()
    assert counters["threads_wait_passively"] == 1
    assert counters["torch_is_loaded"] == 0


@pytest.mark.parametrize("body", [b'{"pid": 1}', b"{}", b"[]", b"garbage"])
def test_drain_is_refused_where_another_process_is_meant(running: Home, body: bytes) -> None:
    with running.client() as http:
        assert http.post("/drain", content=body).status_code in (400, 409)
    assert infill(running, encoded())[0] == 200


def test_it_answers_while_the_engine_is_still_being_built(home: Home) -> None:
    home.script(build_waits_for=f"{home.folder}/go")
    home.start()
    assert json.loads(home.get("/health") or b"")["status"] == "loading"
    with home.client() as http, http.stream("POST", "/v1/infill", content=encoded()) as answer:
        assert answer.status_code == 200
        (home.folder / "go").touch()
        assert "result" in next(answer.iter_lines())
    assert json.loads(home.get("/health") or b"")["status"] == "ready"


def test_idle_models_are_released_and_an_idle_process_leaves(home: Home) -> None:
    process = home.start("--idle-release-s=0.2", "--idle-exit-s=2.0")
    eventually(lambda: home.counters().get("released") == 1 or process.poll() is not None)
    assert process.poll() is None
    assert process.wait(PATIENCE_S) == 0
    assert not home.place.socket.exists()


def test_models_are_released_again_after_they_were_used_again(home: Home) -> None:
    home.start("--idle-release-s=0.3", "--idle-exit-s=inf")

    def is_loaded() -> bool:
        return health_from_json(json.loads(home.get("/health") or b"")).models[0].loaded

    for _ in range(2):
        assert infill(home, encoded())[0] == 200
        eventually(lambda: not is_loaded())
    assert home.counters()["released"] >= 2


def test_a_running_request_is_not_idle(home: Home) -> None:
    process = home.start("--idle-exit-s=2.0")
    with home.client() as http, http.stream("POST", "/v1/infill", content=encoded("hang")) as answer:
        lines = answer.iter_lines()  # held on to: dropping it would end the request
        next(lines)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2.5)
    assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_leaves_no_socket(home: Home, number: signal.Signals) -> None:
    process = home.start()
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 0
    assert sorted(file.name for file in home.place.socket.parent.iterdir()) == [home.place.lock.name]


def test_a_second_one_leaves_with_a_sentence_on_stderr(running: Home) -> None:
    second = subprocess.run(
        [*COMMAND, f"--socket={running.place.socket}"], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (second.returncode, second.stdout) == (3, "")
    assert second.stderr == f"A sampler already serves {running.place.socket}.\n"


def test_an_engine_that_cannot_be_built_ends_it_with_a_sentence(home: Home) -> None:
    home.script(build_fails="There is no such device.")
    failed = subprocess.run(
        [*COMMAND, f"--socket={home.place.socket}"], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "The sampler cannot start: There is no such device.\n"


@pytest.mark.parametrize(
    ("name", "sentence"), [("x" * 120, "is too long"), ("mine.txt", "in the way"), ("mine.txt/s.sock", "cannot hold")]
)
def test_a_place_that_cannot_be_used_is_named(home: Home, name: str, sentence: str) -> None:
    (home.folder / "mine.txt").write_text("mine")
    failed = subprocess.run(
        [*COMMAND, f"--socket={home.folder / name}"], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert failed.returncode == 1
    assert sentence in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
    assert (home.folder / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(("size", "n_bytes"), [("1000", 1000), ("2K", 2048), ("1.5m", 3 << 19), ("6G", 6 << 30)])
def test_sizes_are_read_as_people_write_them(size: str, n_bytes: int) -> None:
    assert process.parse_size(size) == n_bytes


@pytest.mark.parametrize("size", ["", "G", "much", "-1", "-1G", "0", "nan", "infG"])
def test_a_size_that_is_none_is_bad_usage(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        process.main([f"--memory-budget={size}"])
    assert "--memory-budget: a size looks like 800M or 6G" in capsys.readouterr().err


def test_the_log_is_in_the_state_folder_and_holds_no_code(running: Home) -> None:
    infill(running, encoded(pieces=("secret_name = ", "")))
    log = (running.folder / "state" / "seedfill" / "sampler.log").read_text()
    assert "infill, 1 spans" in log
    assert "secret_name" not in log


def test_an_unwritable_log_does_not_stop_it(home: Home) -> None:
    (home.folder / "state").write_text("a file where a folder should be")
    assert not log_file().exists()
    with (home.folder / "stderr").open("w") as stderr:
        home.start(stderr=stderr)
    assert infill(home, encoded())[0] == 200
    assert (home.folder / "stderr").read_text().count("No log is kept") == 1


def test_the_module_runs_and_needs_no_torch_to_explain_itself() -> None:
    program = [sys.executable, "-X", "importtime", "-m", "sampler.service", "--help"]
    shown = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE_S, env=dict(os.environ))
    assert shown.returncode == 0
    assert "--idle-exit-s" in shown.stdout
    assert "| torch" not in shown.stderr
