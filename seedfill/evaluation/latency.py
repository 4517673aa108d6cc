"""Time to a suggestion as an editor waits for it: through the real client and a real service of its own."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psutil

from sampler.model.tokenizer import Tokenizer
from sampler.protocol.client import SamplerClient
from sampler.protocol.messages import InfillRequest, InfillResult
from sampler.protocol.paths import default_model_folder
from seedfill.evaluation.metrics import percentile, ratio

SUFFIX_SHARE = 4
"""One token in so many of the context stands after the cursor."""
N_CANDIDATES = 3
"""What an editor asks for by hand, unless it was set otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """One kind of request, measured `n` times. `ms` is the wait at the client, the other figures are means."""

    name: str
    n: int
    ms_p50: float
    ms_p95: float
    service_ms: float
    tokens_computed: float
    tokens_per_forward: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerStart:
    """The language server's start: from the process's birth to the answer to `initialize`."""

    ms: float
    resident_bytes: int
    has_torch: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is measured: how often, with how much context, for how long a fill."""

    n: int = 20
    n_cold: int = 3
    n_context_tokens: int = 1000
    max_tokens: int = 32
    service_options: tuple[str, ...] = ()


async def time_suggestions(plan: Plan) -> list[Timing]:
    """Cold (no process, no model), warm (a document not seen before), after one typed character; and that by hand."""
    cold = [await _cold(plan, request) for request in requests(plan, "cold", plan.n_cold)]
    async with SamplerClient(mode="private", service_options=plan.service_options) as client:
        for request in requests(plan, "first", 2):  # the first passes of a process are slower
            await client.infill(request)
        warm = [await _timed(client, request) for request in requests(plan, "warm", plan.n)]
        typed, by_hand = [], []
        for before, after in _typed(plan):
            await client.infill(before)
            typed.append(await _timed(client, after))
            by_hand.append(await _timed(client, replace(after, forks=True, n_candidates=N_CANDIDATES)))
    return [
        _timing("cold: start, load, fill", cold),
        _timing("warm: a document not seen before", warm),
        _timing("after one typed character", typed),
        _timing(f"the same by hand, {N_CANDIDATES} to choose from", by_hand),
    ]


def time_server_start() -> ServerStart:
    """Start `seedfill lsp` and initialize it, as an editor does."""
    command = [sys.executable, "-m", "seedfill", "lsp", "--stdio"]
    started = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(_initialize())
        process.stdin.flush()
        if not process.stdout.readline().lower().startswith(b"content-"):
            raise RuntimeError("The language server did not answer initialize: run `seedfill lsp` to see why.")
        elapsed = time.perf_counter() - started
        server = psutil.Process(process.pid)
        result = ServerStart(
            ms=elapsed * 1000,
            resident_bytes=server.memory_info().rss,
            has_torch=any("libtorch" in region.path for region in server.memory_maps()),
        )
        process.kill()
    return result


def _initialize() -> bytes:
    params: dict[str, object] = {"processId": None, "rootUri": None, "capabilities": {}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


async def _cold(plan: Plan, request: InfillRequest) -> tuple[float, InfillResult]:
    async with SamplerClient(mode="private", service_options=plan.service_options) as client:
        return await _timed(client, request)


async def _timed(client: SamplerClient, request: InfillRequest) -> tuple[float, InfillResult]:
    started = time.perf_counter()
    result = await client.infill(request)
    return (time.perf_counter() - started) * 1000, result


def _timing(name: str, measured: list[tuple[float, InfillResult]]) -> Timing:
    waits = [ms for ms, _ in measured]
    results = [result for _, result in measured]
    best = [result.candidates[0] for result in results]
    return Timing(
        name=name,
        n=len(measured),
        ms_p50=percentile(waits, 50) or 0.0,
        ms_p95=percentile(waits, 95) or 0.0,
        service_ms=sum(result.ms for result in results) / len(results),
        tokens_computed=sum(result.tokens_computed for result in results) / len(results),
        tokens_per_forward=ratio(sum(one.tokens for one in best), sum(one.forwards for one in best)),
    )


def requests(plan: Plan, name: str, n: int) -> Iterator[InfillRequest]:
    """`n` cursors in a long file of the standard library, each in a document of its own."""
    for i, (prefix, suffix) in enumerate(_contexts(plan, n)):
        yield _request(plan, f"{name}-{i}", prefix, suffix)


def _typed(plan: Plan) -> Iterator[tuple[InfillRequest, InfillRequest]]:
    """Pairs of requests of one document, the second with a character more before the cursor."""
    for i, (prefix, suffix) in enumerate(_contexts(plan, plan.n)):
        before, after = prefix[:-1], prefix
        yield _request(plan, f"typed-{i}", before, suffix), _request(plan, f"typed-{i}", after, suffix)


def _request(plan: Plan, document: str, prefix: str, suffix: str) -> InfillRequest:
    return InfillRequest(
        document=document,
        pieces=(prefix, suffix),
        path="argparse.py",
        max_tokens=plan.max_tokens,
        forks=False,
    )


def _contexts(plan: Plan, n: int) -> Iterator[tuple[str, str]]:
    """`n` pairs of prefix and suffix with `n_context_tokens` tokens together."""
    tokenizer = Tokenizer.load(default_model_folder() / "tokenizer.json")
    tokens = tokenizer.encode(inspect.getsource(argparse))
    n_suffix = plan.n_context_tokens // SUFFIX_SHARE
    n_prefix = plan.n_context_tokens - n_suffix
    for i in range(n):
        cursor = n_prefix + i * (len(tokens) - plan.n_context_tokens) // n
        yield tokenizer.decode(tokens[cursor - n_prefix : cursor]), tokenizer.decode(tokens[cursor : cursor + n_suffix])


def run(plan: Plan) -> tuple[list[Timing], ServerStart]:
    """All of it, the language server first, while nothing else runs."""
    start = time_server_start()
    return asyncio.run(time_suggestions(plan)), start
