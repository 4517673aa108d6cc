"""OpenAI's dialect as programs meet it: the official client and bare requests, a real service and a tiny model."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.protocol.messages import (
    BadMessage,
    Candidate,
    Event,
    Failure,
    Finish,
    InfillRequest,
    InfillResult,
    Loading,
    Progress,
)
from sampler.service import guard
from sampler.service.dialects import Wanted, read_completion, read_llama
from sampler.service.openai import Completions, chunks, finished
from tests.support.loopback_clients import CLIENTS, MAX_TOKENS, SUFFIX, Client
from tests.support.sampler_home import PATIENCE_S, Home, eventually, sampler_home
from tests.support.tiny_model import make_tiny_model

INFILL = InfillRequest(document="d", pieces=("", ""))
SERVICE = (sys.executable, "-m", "sampler.service", "--device=cpu")
PROMPT = {"prompt": "def add(first, second):\n    return ", "suffix": "\n", "max_tokens": 8}


@dataclass
class Loopback:
    home: Home
    process: subprocess.Popen[str]
    port: int
    token: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> openai.OpenAI:
        given = {"base_url": f"{self.url}/v1", "api_key": self.token, "max_retries": 0, "timeout": PATIENCE_S}
        return openai.OpenAI(**{**given, **options})

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        kept = {name: value for name, value in sent.items() if value}
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return httpx.post(self.url + path, headers=kept, timeout=PATIENCE_S, trust_env=False, **content)


def candidate(text: str, finish: Finish = "end") -> Candidate:
    return Candidate(fills=(text,), tokens=3, forwards=1, confidence=1.0, finish=finish)


def result(text: str) -> InfillResult:
    return InfillResult(
        candidates=(candidate(text),), model="m", device="", ms=1, load_ms=0, tokens_computed=4, cache_miss="none"
    )


def serve(home: Home, *options: str) -> tuple[subprocess.Popen[str], str]:
    """A service and the first line that it says."""
    command = [*SERVICE, f"--socket={home.place.socket}", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    home.started.append(process)  # type: ignore[arg-type]
    assert process.stderr
    return process, process.stderr.readline()


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    with sampler_home() as home:
        home.patch.setenv("SEEDFILL_MODEL", str(make_tiny_model(home.folder / "tiny")))
        models = home.folder / "data" / "seedfill" / "models"
        for name in ("another", ".another.on-its-way"):
            make_tiny_model(models / name, seed=1)
        home.patch.setenv("XDG_DATA_HOME", str(home.folder / "data"))
        process, line = serve(home, "--openai=0")
        said = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/v1 speaks .* the token in (.*)\.\n", line)
        assert said, line
        yield Loopback(home, process, int(said[1]), Path(said[2]).read_text().strip())
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        process.communicate()


def test_a_prompt_and_a_suffix_get_a_completion(loopback: Loopback) -> None:
    with loopback.client() as client:
        answer = client.completions.create(model="tiny", **PROMPT)
    assert answer.object == "text_completion"
    assert answer.model == "tiny"
    assert [choice.finish_reason for choice in answer.choices] == ["length"]
    assert answer.choices[0].text
    assert answer.usage and answer.usage.completion_tokens == 8


def test_a_stream_carries_the_same_text_as_it_is_committed(loopback: Loopback) -> None:
    """A random model writes many bytes that are no character: the pieces hold whole ones."""
    asked = {**PROMPT, "model": "tiny", "max_tokens": 48, "seed": 3, "temperature": 1.0}
    with loopback.client() as client:
        whole = client.completions.create(**asked)
        with client.completions.create(stream=True, stream_options={"include_usage": True}, **asked) as stream:
            *text, last = stream
    pieces = [chunk.choices[0] for chunk in text]
    assert len([piece for piece in pieces if piece.text]) > 1
    assert "".join(piece.text for piece in pieces) == whole.choices[0].text
    assert [piece.finish_reason for piece in pieces] == [None] * (len(pieces) - 1) + ["length"]
    assert not last.choices and last.usage == whole.usage.model_copy(update={"prompt_tokens": 0, "total_tokens": 48})
    assert len({chunk.id for chunk in text}) == 1


def test_a_stream_of_several_choices(loopback: Loopback) -> None:
    with loopback.client() as client:
        asked = {**PROMPT, "model": "tiny", "n": 2, "seed": 5}
        whole = client.completions.create(**asked)
        with client.completions.create(stream=True, **asked) as stream:
            streamed = [chunk.choices[0] for chunk in stream]
    assert [(choice.index, choice.text) for choice in streamed] == [(c.index, c.text) for c in whole.choices]


def test_what_fails_before_there_is_a_text_is_an_error_of_http(loopback: Loopback) -> None:
    with loopback.client() as client, pytest.raises(openai.BadRequestError, match="n_candidates"):
        client.completions.create(model="tiny", stream=True, **{**PROMPT, "n": 99})


def test_several_choices_and_a_seed(loopback: Loopback) -> None:
    with loopback.client() as client:
        first, second = (client.completions.create(model="tiny", n=3, seed=7, temperature=1, **PROMPT) for _ in "ab")
    assert [choice.index for choice in first.choices] == [0, 1, 2]
    assert first.choices == second.choices


def test_the_models_that_may_be_named(loopback: Loopback) -> None:
    with loopback.client() as client:
        assert [model.id for model in client.models.list()] == ["seedfill", "tiny", "another"]
        assert client.completions.create(model="seedfill", **PROMPT).model == "tiny"
        assert client.completions.create(model="another", **PROMPT).model == "another"
        with pytest.raises(openai.NotFoundError, match="There is no model"):
            client.completions.create(model=str(loopback.home.folder / "tiny"), **PROMPT)


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_what_editors_send_is_answered_as_they_read_it(loopback: Loopback, client: Client) -> None:
    headers = {name: value.format(token=loopback.token) for name, value in client.headers.items()}
    answer = loopback.post(client.path, client.body, **headers)
    plain = {"prompt": client.prefix, "suffix": SUFFIX, "max_tokens": MAX_TOKENS}
    expected = loopback.post("/v1/completions", plain).json()["choices"][0]["text"]
    assert answer.status_code == 200, answer.text
    assert client.read(answer.text) == expected != ""


def test_other_files_and_warming_the_cache_in_llamas_dialect(loopback: Loopback) -> None:
    body = {
        "input_prefix": "import os\n\n",
        "prompt": "def read(",
        "input_suffix": "):\n",
        "input_extra": [{"text": "x = 1\n", "filename": "x.py", "time": [0, 0]}],
        "n_predict": 8,
        "t_max_predict_ms": 60000,
        "samplers": ["infill"],
    }
    answer = loopback.post("/infill", body)
    assert answer.status_code == 200
    assert answer.json()["content"]
    assert loopback.post("/infill", {**body, "n_predict": 0}).json()["content"] == ""


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": ""}, 401, "invalid_api_key"),
        ({"Authorization": "Bearer wrong"}, 401, "invalid_api_key"),
        ({"Authorization": "Basic {token}"}, 401, "invalid_api_key"),
        ({"Authorization": "Bearer"}, 401, "invalid_api_key"),
        ({"Host": "evil.example"}, 403, "forbidden_host"),
        ({"Host": "evil.example:{port}"}, 403, "forbidden_host"),
        ({"Host": "127.0.0.1:1"}, 403, "forbidden_host"),
        ({"Origin": "https://evil.example"}, 403, "forbidden_origin"),
        ({"Origin": "null"}, 403, "forbidden_origin"),
        ({"Origin": "http://localhost:1"}, 403, "forbidden_origin"),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/models", "/infill", "/v1/infill", "/drain"])
def test_who_may_not_ask_is_refused(
    loopback: Loopback, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    named = {name: value.format(token=loopback.token, port=loopback.port) for name, value in headers.items()}
    answer = loopback.post(path, PROMPT, **named)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert "access-control-allow-origin" not in answer.headers


def test_the_client_hears_why_it_is_refused(loopback: Loopback) -> None:
    with (
        loopback.client(api_key="wrong") as client,
        pytest.raises(openai.AuthenticationError, match="token is missing or wrong"),
    ):
        client.models.list()


@pytest.mark.parametrize("headers", [{"Host": "localhost:{port}"}, {"Origin": "http://127.0.0.1:{port}"}])
def test_this_machine_by_its_other_name_is_answered(loopback: Loopback, headers: dict[str, str]) -> None:
    named = {name: value.format(port=loopback.port) for name, value in headers.items()}
    assert loopback.post("/v1/completions", PROMPT, **named).status_code == 200


def test_only_the_loopback_address_listens(loopback: Loopback) -> None:
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(loopback.process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", loopback.port))


def test_the_services_own_endpoints_are_not_there(loopback: Loopback) -> None:
    for path in ("/v1/infill", "/drain", "/health", "/state", "/metrics"):
        assert loopback.post(path, {"pid": loopback.process.pid}).status_code == 404
    assert loopback.process.poll() is None


def test_without_the_option_no_port_is_open() -> None:
    with sampler_home() as home:
        process = home.start()
        assert psutil.Process(process.pid).net_connections("inet") == []


def test_the_token_is_for_its_owner_alone_and_stays(loopback: Loopback) -> None:
    file = loopback.home.folder / "state" / "seedfill" / "openai-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(loopback.token) >= 32
    assert guard.token() == loopback.token


def test_a_token_that_others_may_read_is_not_used() -> None:
    with sampler_home() as home:
        guard.token()
        guard.token_file().chmod(0o644)
        process, line = serve(home, "--openai=0")
        assert process.wait(PATIENCE_S) == 1
        assert "must be a file that only you can read" in line
        process.communicate()


def test_a_port_in_use_is_named(loopback: Loopback) -> None:
    with sampler_home() as home:
        process, line = serve(home, f"--openai={loopback.port}")
        assert process.wait(PATIENCE_S) == 1
        assert line.startswith(f"Port {loopback.port} of 127.0.0.1 cannot be used (Address already in use): choose")
        process.communicate()


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_cancels_its_request(loopback: Loopback, stream: bool) -> None:
    def cancelled() -> int:
        lines = (loopback.home.get("/metrics") or b"").decode().splitlines()
        counts = [line.split()[1] for line in lines if line.startswith('seedfill_requests_total{outcome="cancelled"}')]
        return int(counts[0]) if counts else 0

    before = cancelled()
    with pytest.raises(httpx.ReadTimeout), httpx.Client(base_url=loopback.url, timeout=0.3, trust_env=False) as client:
        headers = {"Authorization": f"Bearer {loopback.token}"}
        client.post("/v1/completions", json={**PROMPT, "max_tokens": 1024, "n": 16, "stream": stream}, headers=headers)
    eventually(lambda: cancelled() == before + 1)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "not JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "prompt must be a string"),
        (b'{"prompt": [1, 2]}', "prompt must be a string"),
        (b'{"prompt": "x", "suffix": 1}', "suffix must be a string"),
        (b'{"prompt": "x", "max_tokens": "many"}', "max_tokens must be an integer"),
        (b'{"prompt": "x", "temperature": -1}', "temperature must be from 0"),
        (b'{"prompt": "x", "n": 99}', "n_candidates must be from 1 to 16"),
        (b'{"prompt": "x", "stop": 3}', "stop must be"),
        (b'{"prompt": "x", "model": {}}', "model must be a string"),
        (b'{"input_extra": 3}', "prompt must be a string"),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(loopback: Loopback, body: bytes, sentence: str) -> None:
    answer = loopback.post("/v1/completions", body)
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]["message"]
    assert loopback.post("/v1/completions", PROMPT).status_code == 200


@pytest.mark.parametrize("body", [[], {"input_extra": 3}, {"input_extra": [3]}, {"prompt": 3}])
def test_bad_input_of_the_other_dialect(body: Any) -> None:
    with pytest.raises(BadMessage):
        read_llama(body)


@pytest.mark.parametrize(
    ("prompt", "suffix", "pieces"),
    [
        ("a", "b", ("a", "b")),
        ("a", None, ("a", "")),
        (["a"], "b", ("a", "b")),
        ("a\r\nb", "\r", ("a\nb", "\n")),
        ("<fim_prefix>a<fim_suffix>b<fim_middle>", None, ("a", "b")),
        ("<|fim_prefix|>a\nx<|fim_suffix|>\nb<|fim_middle|>", "", ("a\nx", "\nb")),
        ("<fim_prefix>a<fim_suffix>b", None, ("<fim_prefix>a<fim_suffix>b", "")),
        ("see <fim_prefix>a<fim_suffix>b<fim_middle>", None, ("see <fim_prefix>a<fim_suffix>b<fim_middle>", "")),
        ("<fim_prefix>a<fim_suffix>b<fim_middle>", "c", ("<fim_prefix>a<fim_suffix>b<fim_middle>", "c")),
        ("\ud800", "\udfff", ("\ud800", "\udfff")),
    ],
)
def test_what_stands_before_and_after(prompt: Any, suffix: Any, pieces: tuple[str, str]) -> None:
    assert read_completion({"prompt": prompt, "suffix": suffix}).infill.pieces == pieces


def test_a_long_prompt_is_cut_to_windows() -> None:
    before, after = read_completion({"prompt": "x = 1\n" * 9999, "suffix": "y = 2\n" * 9999}).infill.pieces
    assert len(before) <= 2400
    assert len(after) <= 800


def test_numbers_are_brought_to_where_they_make_sense() -> None:
    request = read_completion({"prompt": "", "max_tokens": 4096, "temperature": 1e-9, "top_p": 0, "seed": None}).infill
    assert (request.max_tokens, request.temperature, request.top_p, request.seed) == (1024, 0, 0.01, 0)
    llama = read_llama({"n_predict": -1})
    assert llama and llama.infill.max_tokens == 1024


@pytest.mark.parametrize(
    ("finish", "stop", "expected"),
    [
        ("end", (), ("a\nb", "stop")),
        ("length", (), ("a\nb", "length")),
        ("deadline", (), ("a\nb", "length")),
        ("length", ("\n",), ("a", "stop")),
        ("length", ("b", "\nb", ""), ("a", "stop")),
        ("end", ("z",), ("a\nb", "stop")),
    ],
)
def test_stop_strings(finish: Any, stop: tuple[str, ...], expected: tuple[str, str]) -> None:
    assert finished(candidate("a\nb", finish), stop) == expected


@given(
    text=st.text("ab\n", max_size=12),
    cuts=st.lists(st.integers(0, 12), max_size=6),
    stop=st.lists(st.text("ab\n", max_size=4), max_size=3).map(tuple),
    usage=st.booleans(),
)
@settings(deadline=None)
def test_a_stream_is_what_the_whole_answer_is(text: str, cuts: list[int], stop: tuple[str, ...], usage: bool) -> None:
    closed: list[bool] = []

    async def events() -> AsyncGenerator[Event, None]:
        try:
            yield Loading(model="m", fraction=0.5)
            for end in sorted(cuts):
                yield Progress(fills=("?",), committed=text[:end])
            yield result(text)
        finally:
            closed.append(True)

    async def heard() -> list[dict[str, Any]]:
        return [chunk async for chunk in chunks(events(), Wanted(INFILL, stop, True, usage)) if isinstance(chunk, dict)]

    found = asyncio.run(heard())
    ends = [chunk["choices"][0] for chunk in found if chunk["choices"]]
    assert "".join(end["text"] for end in ends) == finished(candidate(text), stop)[0]
    assert [end["finish_reason"] for end in ends if end["finish_reason"]] == ["stop"]
    assert all(end["text"] for end in ends[:-1]), "no event without news"
    assert ["usage" in chunk for chunk in found] == [False] * len(ends) + [True] * usage
    assert closed


@pytest.mark.parametrize("told", [(), (Progress(fills=("ab",), committed="ab"),)])
async def test_a_stream_that_fails_says_so(told: tuple[Event, ...]) -> None:
    async def events(_: InfillRequest) -> AsyncGenerator[Event, None]:
        for event in told:
            yield event
        yield Failure(kind="failed", message="It broke.")

    transport = httpx.ASGITransport(Completions(events).asgi)
    async with httpx.AsyncClient(transport=transport) as http:
        client = openai.AsyncOpenAI(base_url="http://x/v1", api_key="x", http_client=http, max_retries=0)
        heard = ""
        with pytest.raises(openai.APIError, match="It broke"):
            async for chunk in await client.completions.create(model="seedfill", prompt="a", stream=True):
                heard += chunk.choices[0].text
    assert heard == ("ab" if told else "")


def test_a_stop_at_the_newline_ends_the_work_there() -> None:
    assert read_completion({"prompt": "", "stop": ["\n"]}).infill.one_line
    assert not read_completion({"prompt": "", "stop": "\n\n"}).infill.one_line


@pytest.mark.parametrize(
    "said",
    [b"G", b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"],
    ids=["half a request", "a request and a half", "half a body"],
)
def test_connections_without_the_token_keep_nobody_out(loopback: Loopback, said: bytes) -> None:
    """Hundreds that are kept open: the editors' socket answers, and so does the port while they are there."""
    with contextlib.ExitStack() as crowd:
        for _ in range(300):
            silent = crowd.enter_context(socket.socket())
            silent.connect(("127.0.0.1", loopback.port))
            with contextlib.suppress(OSError):  # refused already
                silent.sendall(said)
                silent.settimeout(0.5)
                if len(said) > 1:
                    silent.recv(4096)
                silent.sendall(b"G")
        assert loopback.home.get("/health") is not None
        process = psutil.Process(loopback.process.pid)
        eventually(lambda: process.num_fds() < 150)
        eventually(lambda: _completes(loopback))


def _completes(loopback: Loopback) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return loopback.post("/v1/completions", {"prompt": "a", "max_tokens": 1}).status_code == 200
    return False
