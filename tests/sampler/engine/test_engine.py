"""The engine answers from its own thread, keeps to its memory, and survives whatever a request does."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from sampler.engine import engine
from sampler.engine.engine import Engine, EngineState
from sampler.model import checkpoint, devices
from sampler.protocol.messages import Event, Failure, InfillRequest, InfillResult, Loading
from tests.support.sampler_home import eventually
from tests.support.tiny_model import edit_config, make_tiny_model

PATIENCE_S = 60
DTYPE = devices.pick_dtype(torch.device("cpu"))
"""Some CPUs multiply bfloat16 fast, others do not."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def start() -> Iterator[Callable[..., Engine]]:
    running: list[Engine] = []

    def start(default_model: Path, **settings: Any) -> Engine:
        running.append(Engine(device="cpu", default_model=default_model, **settings))
        return running[-1]

    yield start
    for one in running:
        one.close()


class Ask:
    """A submitted request; `events` waits for its last one."""

    def __init__(self, engine: Engine, *pieces: str, **changes: Any) -> None:
        request = InfillRequest(**{"document": "d", "pieces": pieces or ("a = ", "\n"), "max_tokens": 8, **changes})
        self._heard: queue.Queue[Event] = queue.Queue()
        self.threads: set[str] = set()
        self.ticket = engine.submit(request, self._hear)

    def _hear(self, event: Event) -> None:
        self.threads.add(threading.current_thread().name)
        self._heard.put(event)

    def events(self) -> list[Event]:
        found = [self._heard.get(timeout=PATIENCE_S)]
        while not isinstance(found[-1], InfillResult | Failure):
            found.append(self._heard.get(timeout=PATIENCE_S))
        return found

    def result(self) -> InfillResult:
        last = self.events()[-1]
        assert isinstance(last, InfillResult), last
        return last

    def failure(self) -> Failure:
        last = self.events()[-1]
        assert isinstance(last, Failure), last
        return last


def loaded(state: EngineState) -> list[str]:
    return [model.id for model in state.models if model.loaded]


def test_the_first_request_loads_the_model_and_says_so(start: Callable[..., Engine], folder: Path) -> None:
    running = start(folder)
    assert loaded(running.state()) == []
    first, second = Ask(running), Ask(running)
    *loading, result = first.events()
    assert loading and all(isinstance(event, Loading) for event in loading)
    fractions = [event.fraction for event in loading if isinstance(event, Loading)]
    assert fractions == sorted(fractions) and (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert isinstance(result, InfillResult) and result.load_ms > 0 and result.ms > 0
    assert second.result().load_ms <= result.load_ms, "who comes later waits for the rest of it"
    assert Ask(running).result().load_ms == 0
    assert first.threads <= {"sampler-engine", "sampler-loader"}
    (model,) = running.state().models
    assert (model.id, model.device, f"torch.{model.dtype}", model.loaded) == ("tiny", "cpu", str(DTYPE), True)
    assert model.bytes > 0 and running.state().counters["requests"] == 3


def test_many_threads_may_ask_at_once(start: Callable[..., Engine], folder: Path) -> None:
    running = start(folder)
    asked: queue.Queue[Ask] = queue.Queue()
    threads = [
        threading.Thread(target=lambda i=i: asked.put(Ask(running, "x = ", "\n", document=str(i)))) for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = {asked.get().result().candidates[0].fills for _ in threads}
    assert len(texts) == 1, "the same text gets the same fill, whoever else is served"


def test_what_was_read_of_a_document_goes_when_it_is_closed(start: Callable[..., Engine], folder: Path) -> None:
    running = start(folder)
    for name in "ab":
        Ask(running, document=name).result()
    held = running.state().slot_bytes
    running.forget(["a", "unknown"])
    eventually(lambda: running.state().slot_bytes == held / 2)
    running.forget(["b"])
    eventually(lambda: running.state().slot_bytes == 0)
    assert Ask(running, document="a").result().cache_miss == "cold"


def test_what_is_read_of_documents_stays_within_a_budget(start: Callable[..., Engine], folder: Path) -> None:
    running = start(folder)
    Ask(running, document="0").result()
    one = running.state().slot_bytes
    running._scheduler.slot_budget_bytes = 3 * one
    for number in range(1, 20):
        Ask(running, document=str(number)).result()
        assert running.state().slot_bytes <= 3 * one


def test_a_folder_that_changed_is_read_again(start: Callable[..., Engine], tmp_path: Path) -> None:
    """Trained on, pulled anew, or garbage by now."""
    folder = make_tiny_model(tmp_path / "tiny")
    running = start(folder)
    first = Ask(running, max_tokens=24).result().candidates[0].fills
    make_tiny_model(folder, seed=7)
    assert Ask(running, max_tokens=24).result().candidates[0].fills != first
    (folder / "model.safetensors").write_bytes(b"garbage")
    assert "truncated or damaged" in Ask(running).failure().message
    make_tiny_model(folder)
    assert Ask(running, max_tokens=24).result().candidates[0].fills == first


def test_a_model_that_is_being_read_keeps_nobody_waiting(
    start: Callable[..., Engine], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor anybody who no longer wants it: it is given up."""
    running, slow = start(folder), make_tiny_model(tmp_path / "slow")
    Ask(running).result()
    go, load = threading.Event(), checkpoint.load

    def load_slowly(path: Path, device: torch.device, dtype: torch.dtype, on_progress: Any) -> checkpoint.LoadedModel:
        while path == slow and not go.wait(0.01):
            on_progress(0.5)
        return load(path, device, dtype, on_progress)

    monkeypatch.setattr(checkpoint, "load", load_slowly)
    waits, leaves = Ask(running, model=str(slow)), Ask(running, model=str(slow))
    assert Ask(running).result().load_ms == 0
    leaves.ticket.cancel()
    go.set()
    assert waits.result().load_ms > 0 and leaves.failure().kind == "cancelled"
    go.clear()
    make_tiny_model(slow, seed=3)
    alone = Ask(running, model=str(slow))
    alone.ticket.cancel()
    assert alone.failure().kind == "cancelled"


def test_cancelling_ends_with_one_failure(start: Callable[..., Engine], folder: Path) -> None:
    running = start(folder)
    Ask(running).result()
    long = Ask(running, max_tokens=1024, policy="sequential")
    long.ticket.cancel()
    assert long.failure().kind == "cancelled"
    long.ticket.cancel()
    assert Ask(running).result()


@pytest.mark.parametrize(
    ("changes", "kind", "sentence"),
    [
        ({"model": "nowhere"}, "bad_input", "There is no model 'nowhere'"),
        ({"model": ""}, "bad_input", "There is no model ''"),
        ({"model": "x" * 5_000}, "bad_input", "There is no model 'xxx"),
        ({"max_tokens": 1024, "pieces": ("a",) * 9, "instruction": "go " * 2000}, "bad_input", "too long"),
    ],
)
def test_bad_input_is_an_event_and_the_engine_lives(
    changes: dict[str, Any], kind: str, sentence: str, start: Callable[..., Engine], folder: Path
) -> None:
    running = start(folder)
    failure = Ask(running, **changes).failure()
    assert failure.kind == kind and sentence in failure.message
    assert Ask(running).result()


def test_a_damaged_model_is_one_sentence(start: Callable[..., Engine], folder: Path, tmp_path: Path) -> None:
    broken = make_tiny_model(tmp_path / "broken")
    edit_config(broken, hidden_size=64)
    running = start(broken)
    assert "config.json makes it" in Ask(running).failure().message
    assert Ask(running, model=str(folder)).result().model == "tiny"


def test_an_unexpected_error_is_a_failure_not_the_end(
    start: Callable[..., Engine], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(folder)
    with monkeypatch.context() as patch:
        patch.setattr(engine.Scheduler, "round", lambda _: 1 / 0)
        assert "ZeroDivisionError" in Ask(running).failure().message
    assert Ask(running).result()


def test_models_keep_to_the_budget_longest_unused_out_first(
    start: Callable[..., Engine], folder: Path, tmp_path: Path
) -> None:
    folders = [folder, *(make_tiny_model(tmp_path / name, seed=i) for i, name in enumerate("ab", start=1))]
    one = checkpoint.memory_needed(folder, DTYPE)
    running = start(folder, memory_budget_bytes=2 * one)
    for i in (0, 1, 0, 2):
        Ask(running, model=str(folders[i])).result()
    assert loaded(running.state()) == ["tiny", "b"]
    small = start(folder, memory_budget_bytes=one - 1)
    assert "raise the memory budget" in Ask(small).failure().message


def test_an_idle_engine_gives_its_memory_back(start: Callable[..., Engine], folder: Path) -> None:
    running = start(folder)
    Ask(running).result()
    until = time.monotonic() + PATIENCE_S
    while loaded(running.state()) and time.monotonic() < until:
        running.release_idle()  # in vain while the answered request is still being put away
    assert isinstance(Ask(running).events()[0], Loading), "it had been dropped"


def test_closing_cancels_what_is_left_and_refuses_more(start: Callable[..., Engine], folder: Path) -> None:
    running = start(folder)
    Ask(running).result()
    long = Ask(running, max_tokens=1024, policy="sequential")
    running.close()
    assert long.failure().kind == "cancelled"
    assert "closing" in Ask(running).failure().message


def test_where_memory_ends_a_model_moves_to_the_cpu_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    load = checkpoint.load

    def load_on(path: Path, device: torch.device, *rest: Any) -> checkpoint.LoadedModel:
        tried.append(device.type)
        if device.type != "cpu":
            raise torch.OutOfMemoryError("out of memory")
        return load(path, device, *rest)

    monkeypatch.setattr(checkpoint, "load", load_on)
    models = engine.Models(torch.device("mps"), 1 << 30)
    models.load_after_all(folder, frozenset())
    model = models.get(folder)
    assert tried == ["mps", "cpu"]
    assert model.device.type == "cpu"
    assert models.notices == ["tiny does not fit on mps: it runs on the CPU."]
