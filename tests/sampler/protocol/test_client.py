"""The client against the real service in real processes, with a scripted engine behind it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from sampler.protocol import client as client_module
from sampler.protocol import wire
from sampler.protocol.client import SamplerClient, SamplerError, State, infill_sync, service_process, stop_service
from sampler.protocol.handshake import Health
from sampler.protocol.launch import launch
from sampler.protocol.messages import Event, InfillResult, Loading, Progress
from sampler.protocol.paths import Place
from tests.support.sampler_home import COMMAND, PATIENCE_S, Home, eventually, request, sampler_home


@pytest.fixture
def home() -> Iterator[Home]:
    with sampler_home() as home:
        yield home


@pytest.fixture
async def sampler(home: Home) -> AsyncIterator[SamplerClient]:
    async with SamplerClient(command=COMMAND) as sampler:
        yield sampler


async def running(sampler: SamplerClient) -> Health:
    health = await sampler.health(start=True)
    assert health is not None
    return health


async def until(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), PATIENCE_S)


def hangs(sampler: SamplerClient, document: str) -> tuple[asyncio.Task[InfillResult], asyncio.Event]:
    """A request that waits in the service, and the event of its having got there."""
    arrived = asyncio.Event()
    return asyncio.create_task(sampler.infill(request(document), on_event=lambda _: arrived.set())), arrived


async def test_first_request_starts_a_service_and_gets_an_answer(home: Home) -> None:
    states: list[State] = []
    events: list[Event] = []
    async with SamplerClient(command=COMMAND, on_state=states.append) as sampler:
        result = await sampler.infill(request("load"), on_event=events.append)
    assert result.candidates[0].fills == ("DEF F(",)
    assert events == [Loading(model="scripted", fraction=0.5), result]
    assert states[0] == State("starting")
    assert states[-2:] == [State("loading", "scripted", 0.5), State("ready")]


async def test_who_asks_for_nothing_is_told_too_when_the_service_has_loaded(home: Home) -> None:
    home.script(build_waits_for=f"{home.folder}/go")
    states: list[State] = []
    loading = asyncio.Event()

    def on_state(state: State) -> None:
        states.append(state)
        if state.phase == "loading":
            loading.set()

    async with SamplerClient(command=COMMAND, on_state=on_state) as sampler:
        warming = asyncio.create_task(sampler.health(start=True))
        await until(loading)
        (home.folder / "go").touch()
        await warming
    assert states[-1] == State("ready")


async def test_the_service_shares_nothing_with_who_started_it(sampler: SamplerClient) -> None:
    service = psutil.Process((await running(sampler)).pid)
    assert os.getsid(service.pid) == service.pid
    assert Path(service.cwd()) != Path.cwd() or Path.cwd() == Path(client_module.__file__).parents[2]
    if sys.platform == "linux":
        streams = {str(Path(f"/proc/{service.pid}/fd/{number}").readlink()) for number in (0, 1, 2)}
        assert streams == {"/dev/null"}


async def test_it_stays_for_the_next_client(home: Home, sampler: SamplerClient) -> None:
    first = await running(sampler)
    await sampler.close()
    async with SamplerClient(command=COMMAND) as other:
        assert (await running(other)).pid == first.pid


async def test_clients_that_start_at_once_end_with_one_service(home: Home) -> None:
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(SamplerClient(command=COMMAND)) for _ in range(4)]
        answers = await asyncio.gather(*(client.infill(request()) for client in clients))
        pids = {(await running(client)).pid for client in clients}
    assert len(answers) == 4
    assert len(pids) == 1
    eventually(lambda: {process.pid for process in home.processes()} == pids)


async def test_a_service_killed_in_mid_request_is_replaced_and_asked_again(home: Home, sampler: SamplerClient) -> None:
    first = await running(sampler)
    result = await sampler.infill(request(f"die-unless:{home.folder}/died"))
    assert result.candidates[0].fills == ("DEF F(",)
    assert (await running(sampler)).pid != first.pid


async def test_a_request_that_kills_every_service_is_given_up(sampler: SamplerClient) -> None:
    with pytest.raises(SamplerError, match="died twice .*sampler.log"):
        await sampler.infill(request("die"))


async def test_a_stale_socket_is_taken_over(home: Home, sampler: SamplerClient) -> None:
    os.kill((await running(sampler)).pid, signal.SIGKILL)
    assert home.place.socket.exists()
    assert await sampler.infill(request())


async def test_cancelling_the_task_cancels_the_request(home: Home, sampler: SamplerClient) -> None:
    task, arrived = hangs(sampler, "hang")
    await until(arrived)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    eventually(lambda: home.counters()["cancelled"] == 1)
    assert await sampler.infill(request())


async def test_cancelling_the_first_request_does_not_start_a_second_service(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[subprocess.Popen[bytes]] = []

    def counted(command: Sequence[str], place: Place, *, private: bool) -> subprocess.Popen[bytes]:
        launched.append(launch(command, place, private=private))
        return launched[-1]

    monkeypatch.setattr(client_module, "launch", counted)
    starting = asyncio.Event()
    async with SamplerClient(command=COMMAND, on_state=lambda _: starting.set()) as sampler:
        task = asyncio.create_task(sampler.infill(request()))
        await until(starting)
        task.cancel()
        await asyncio.wait({task})
        assert await sampler.infill(request())
    assert len(launched) == 1


async def test_a_service_of_another_version_finishes_its_work_and_is_replaced(home: Home) -> None:
    home.script(version="0.0.1")
    with home.start() as old, contextlib.ExitStack() as stack:
        async with SamplerClient(command=COMMAND) as sampler:
            lines = stack.enter_context(raw_request(home, f"until:{home.folder}/go"))
            assert "progress" in next(lines)
            home.script()
            task = asyncio.create_task(sampler.infill(request()))
            await asyncio.to_thread(eventually, lambda: home.get("/health") is None)
            assert old.poll() is None
            (home.folder / "go").touch()
            assert "result" in next(lines)
            assert await task
            assert (await running(sampler)).pid != old.pid
        assert old.wait(PATIENCE_S) == 0


@contextlib.contextmanager
def raw_request(home: Home, document: str) -> Iterator[Iterator[str]]:
    """The lines of an answer, as a client of another version would read them."""
    body = {"document": document, "pieces": ["", ""]}
    with home.client() as http, http.stream("POST", "/v1/infill", json=body) as answer:
        yield answer.iter_lines()


async def test_a_service_that_starts_with_another_version_is_not_fought(home: Home, sampler: SamplerClient) -> None:
    home.script(version="0.0.1")
    with pytest.raises(SamplerError, match="version 0.0.1 starts where .* restart the editor"):
        home.start()
        await sampler.infill(request())


async def test_an_engine_that_cannot_be_built_is_one_sentence_and_may_be_mended(home: Home) -> None:
    states: list[State] = []
    home.script(build_fails="There is no such device.")
    async with SamplerClient(command=COMMAND, on_state=states.append) as sampler:
        for _ in range(2):
            with pytest.raises(SamplerError, match="^The sampler cannot start: There is no such device.$"):
                await sampler.infill(request())
            assert states[-1] == State("failed", "The sampler cannot start: There is no such device.")
        home.script()
        assert await sampler.infill(request())


async def test_a_program_that_is_no_service_is_one_sentence(home: Home) -> None:
    async with SamplerClient(command=(sys.executable, "-c", "raise SystemExit(9)")) as sampler:
        with pytest.raises(SamplerError, match=r"ended at once \(exit code 9\): run `seedfill serve`"):
            await sampler.infill(request())


async def test_a_request_that_fails_raises_its_sentence_and_kind(sampler: SamplerClient) -> None:
    with pytest.raises(SamplerError, match="^The script says no.$") as failure:
        await sampler.infill(request("fail"))
    assert failure.value.kind == "failed"


async def test_a_request_that_is_too_large_is_not_sent(sampler: SamplerClient) -> None:
    with pytest.raises(SamplerError, match="bytes") as failure:
        await sampler.infill(request(pieces=("x" * (9 << 20), "")))
    assert failure.value.kind == "bad_input"


async def test_a_foreign_file_in_the_way_stays_and_is_named(home: Home, sampler: SamplerClient) -> None:
    home.place.socket.parent.mkdir(parents=True)
    home.place.socket.write_text("mine")
    with pytest.raises(SamplerError, match=r"sampler-[0-9]+.sock is in the way .* move that file"):
        await sampler.infill(request())
    assert home.place.socket.read_text() == "mine"


async def test_a_foreign_program_on_the_socket_makes_way(home: Home, sampler: SamplerClient) -> None:
    home.place.socket.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(str(home.place.socket))
        assert await sampler.infill(request())


async def test_a_folder_that_cannot_be_made_is_one_sentence(home: Home, sampler: SamplerClient) -> None:
    (home.folder / "run").write_text("a file where a folder should be")
    with pytest.raises(SamplerError, match="cannot be made .* set XDG_RUNTIME_DIR"):
        await sampler.infill(request())


async def test_any_text_passes(sampler: SamplerClient) -> None:
    odd = "\ud800 \u2028 \x0b \x00 \r\n 🦆"
    result = await sampler.infill(request(pieces=(odd, "")))
    assert result.candidates[0].fills == (odd,)


async def test_health_without_a_service_is_none_and_starts_nothing(home: Home, sampler: SamplerClient) -> None:
    assert await sampler.health() is None
    assert not home.processes()


async def test_closing_ends_what_still_waits(home: Home, sampler: SamplerClient) -> None:
    task, arrived = hangs(sampler, "hang")
    await until(arrived)
    await sampler.close()
    with pytest.raises(SamplerError, match="closed"):
        await task
    eventually(lambda: home.counters()["cancelled"] == 1)


async def test_a_private_service_is_nobody_elses_and_ends_with_its_client(home: Home, sampler: SamplerClient) -> None:
    shared = await running(sampler)
    async with SamplerClient(mode="private", command=COMMAND) as private:
        own = await running(private)
        assert own.pid != shared.pid
        assert psutil.Process(own.pid).ppid() == os.getpid()
        assert await private.infill(request())
    assert not psutil.pid_exists(own.pid)
    assert not list(home.place.socket.parent.glob("private-*"))


def test_a_private_service_ends_with_a_parent_that_is_killed(home: Home) -> None:
    program = (
        "import asyncio\nfrom sampler.protocol.client import SamplerClient\n"
        "async def main():\n"
        f"    sampler = SamplerClient(mode='private', command={COMMAND!r})\n"
        "    print((await sampler.health(start=True)).pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    eventually(lambda: not psutil.pid_exists(pid))


def test_infill_without_an_event_loop(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.start()
    events: list[Event] = []
    result = infill_sync(request(f"until:{home.folder}"), events.append)
    assert events == [Progress(fills=("…",)), result]


async def test_stopping_ends_the_service_and_says_whether_there_was_one(home: Home, sampler: SamplerClient) -> None:
    assert not stop_service()
    pid = (await running(sampler)).pid
    assert await asyncio.to_thread(stop_service)
    eventually(lambda: not psutil.pid_exists(pid))
    assert not home.place.socket.exists()
    assert not await asyncio.to_thread(stop_service)


async def test_stopping_a_service_that_hangs_kills_it(
    home: Home, sampler: SamplerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "STOP_TIMEOUT_S", 1.0)
    monkeypatch.setattr(client_module, "DRAIN_TIMEOUT_S", 0.2)
    pid = (await running(sampler)).pid
    os.kill(pid, signal.SIGSTOP)
    assert await asyncio.to_thread(stop_service)
    eventually(lambda: not psutil.pid_exists(pid))


def test_importing_the_client_is_light() -> None:
    heavy = "{'torch', 'numpy', 'starlette', 'filelock'}"
    program = f"import sys, sampler.protocol.client; print(*{heavy} & set(sys.modules))"
    listed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == []


def sweep(home: Home) -> None:
    """A session ends: its runtime folder goes, and another comes."""
    shutil.rmtree(home.place.socket.parent)


@pytest.mark.parametrize(
    "sweep",
    [
        sweep,
        lambda home: home.place.socket.unlink(),
        lambda home: (home.place.socket.unlink(), home.place.lock.unlink()),
    ],
    ids=["the runtime folder", "the socket", "socket and lock"],
)
async def test_a_service_whose_files_are_taken_away_leaves_and_takes_nothing_of_the_next_one(
    home: Home, sampler: SamplerClient, sweep: Callable[[Home], object]
) -> None:
    first = psutil.Process((await running(sampler)).pid)
    sweep(home)
    async with SamplerClient(command=COMMAND) as other:
        assert await other.infill(request())
        second = await running(other)
        await asyncio.to_thread(eventually, lambda: not first.is_running())
        assert second.pid != first.pid and await other.infill(request())
    assert home.place.socket.exists() and home.place.pid.read_text() == str(second.pid)
    assert await asyncio.to_thread(stop_service)
    eventually(lambda: not psutil.pid_exists(second.pid))


async def test_a_service_is_stopped_without_its_notes(home: Home, sampler: SamplerClient) -> None:
    pid = (await running(sampler)).pid
    home.place.pid.unlink()
    assert service_process() == pid
    assert await asyncio.to_thread(stop_service) and service_process() is None


async def test_a_service_that_hangs_is_told_from_none_and_replaced(home: Home) -> None:
    states: list[State] = []
    async with SamplerClient(command=COMMAND, on_state=states.append) as sampler:
        first = (await running(sampler)).pid
        os.kill(first, signal.SIGSTOP)
        assert await sampler.health() is None and service_process() == first
        assert await sampler.infill(request(deadline_ms=100))
        assert (await running(sampler)).pid != first
    assert State("starting", "The sampler hung and is replaced.") in states
    eventually(lambda: not psutil.pid_exists(first))


async def test_a_service_that_hangs_is_stopped(home: Home, sampler: SamplerClient) -> None:
    pid = (await running(sampler)).pid
    os.kill(pid, signal.SIGSTOP)
    assert await asyncio.to_thread(stop_service)
    eventually(lambda: not psutil.pid_exists(pid))


NOBODY = 65534
as_root = pytest.mark.skipif(
    os.getuid() != 0 or not Path("/usr/bin/python3").exists(), reason="only root can be somebody else"
)


def as_nobody(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A program of another user, which says a line when it is ready."""
    drop = f"import os; os.setgid({NOBODY}); os.setuid({NOBODY})\n"
    return subprocess.Popen(["/usr/bin/python3", "-c", drop + code, *arguments], stdout=subprocess.PIPE)


SPY = """
import socket, sys
listener = socket.socket(socket.AF_UNIX); listener.bind(sys.argv[1]); listener.listen(); print(1, flush=True)
listener.settimeout(60); connection, _ = listener.accept(); print(connection.recv(1) and "read", flush=True)
"""


@as_root
@pytest.mark.parametrize("mode", [0o700, 0o777], ids=["a folder of theirs", "a folder for all"])
async def test_a_socket_of_another_user_is_never_spoken_to(home: Home, sampler: SamplerClient, mode: int) -> None:
    folder = home.place.socket.parent
    folder.mkdir(parents=True)
    for open_to_all in (home.folder, *home.place.socket.parents[:2]):
        open_to_all.chmod(0o755)
    folder.chmod(mode)
    if mode == 0o700:
        os.chown(folder, NOBODY, NOBODY)
    with as_nobody(SPY, str(home.place.socket)) as spy:
        assert spy.stdout is not None and spy.stdout.readline() == b"1\n"
        with pytest.raises(SamplerError, match="not a folder of yours") if mode == 0o700 else contextlib.nullcontext():
            assert await sampler.infill(request())
        spy.kill()
        assert spy.stdout.read() == b""


@as_root
async def test_another_user_gets_no_answer(home: Home, sampler: SamplerClient) -> None:
    await running(sampler)
    for path in (home.folder, *home.place.socket.parents[:2]):
        path.chmod(0o755)
    home.place.socket.chmod(0o666)
    ask = "import socket, sys\ns = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
    ask += "s.sendall(b'GET /health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); s.settimeout(60)\nprint(s.recv(9))"
    with as_nobody(ask, str(home.place.socket)) as other:
        assert other.stdout is not None
        assert b"HTTP" not in await asyncio.to_thread(other.stdout.read)


async def test_documents_that_are_closed_are_forgotten(home: Home, sampler: SamplerClient) -> None:
    await sampler.forget(["1 a"])  # nobody runs: nobody is started for it
    assert not home.processes()
    await running(sampler)
    await sampler.forget(["1 a", "1 b"])
    assert home.counters()["forgotten"] == 2


def http(body: bytes, *, ends: bool = True) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if ends else b""
    return b"HTTP/1.1 200 OK\r\n%s\r\n%s" % (length, body)


@pytest.mark.parametrize("path", ["/health", "/v1/infill"])
async def test_an_answer_without_an_end_is_given_up(home: Home, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_ANSWER_BYTES", 100_000)
    home.place.socket.parent.mkdir(mode=0o700, parents=True)
    n_sent = 0

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal n_sent
        writer.write(http(b"", ends=False))
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * 10_000)
                n_sent += 10_000
                await writer.drain()

    async with await asyncio.start_unix_server(endless, home.place.socket) as server:
        line = wire.Wire(home.place.socket)
        with pytest.raises(wire.LOST):
            if path == "/health":
                await line.call("GET", path, timeout_s=PATIENCE_S)
            else:
                async with line.stream(path, b"{}", silence_s=PATIENCE_S) as answer:
                    async for _ in answer.lines:
                        pass
        await line.close()
        server.close()
    assert n_sent < 2_000_000
