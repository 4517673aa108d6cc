"""Latency is measured through the real client, service and server; how long it takes is for benchmarks to say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from seedfill.evaluation.latency import Plan, time_server_start, time_suggestions
from seedfill.evaluation.machine import matmul_gflops
from tests.support.tiny_model import make_tiny_model


def test_each_kind_of_request_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDFILL_MODEL", str(make_tiny_model(tmp_path / "tiny")))
    plan = Plan(n=2, n_cold=1, n_context_tokens=200, max_tokens=4, service_options=("--device=cpu",))
    cold, warm, typed, by_hand = asyncio.run(time_suggestions(plan))
    assert (cold.n, warm.n, typed.n, by_hand.n) == (1, 2, 2, 2)
    assert by_hand.tokens_computed == 0
    assert cold.ms_p50 > warm.ms_p50
    assert warm.service_ms <= warm.ms_p95
    assert typed.tokens_computed < 20 < 150 < warm.tokens_computed


def test_the_language_server_starts_without_torch() -> None:
    start = time_server_start()
    assert start.ms > 0
    assert start.resident_bytes < 100e6
    assert not start.has_torch


def test_the_matmul_rate_is_positive() -> None:
    assert matmul_gflops("float32") > 0
