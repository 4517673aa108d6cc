"""A few hundred messages in any order; `benchmarks/fuzz_server.py` says as many as one likes."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.support.lsp_machine import ServerMachine

TestServer = ServerMachine.TestCase
TestServer.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
