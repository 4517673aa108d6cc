"""Print how long one waits for a suggestion: `python benchmarks/latency.py [--n 20] [--context 1000]`.

Needs an otherwise idle machine; its rate of matrix products and its load are printed beside the times.
"""

from __future__ import annotations

import argparse
import os

from rich.console import Console
from rich.table import Table

from seedfill.evaluation.latency import Plan, ServerStart, Timing, run
from seedfill.evaluation.machine import matmul_gflops


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20, help="warm requests of each kind")
    parser.add_argument("--cold", type=int, default=3, help="cold starts")
    parser.add_argument("--context", type=int, default=1000, help="tokens of context")
    parser.add_argument("--max-tokens", type=int, default=32, help="the longest fill")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    given = parser.parse_args()
    plan = Plan(
        n=given.n,
        n_cold=given.cold,
        n_context_tokens=given.context,
        max_tokens=given.max_tokens,
        service_options=(f"--device={given.device}",),
    )
    load = os.getloadavg()[0]
    timings, start = run(plan)
    console = Console(width=120)
    console.print(_table(timings, plan))
    console.print(_server(start))
    rates = ", ".join(f"{dtype} {matmul_gflops(dtype):.0f}" for dtype in ("float32", "bfloat16"))
    console.print(
        f"machine: {os.cpu_count()} CPUs, load before {load:.1f}, matrix products on the CPU in GFLOP/s: {rates}"
    )


def _table(timings: list[Timing], plan: Plan) -> Table:
    table = Table(title=f"Time to suggestion, {plan.n_context_tokens} tokens of context, at most {plan.max_tokens} new")
    for heading in ("", "n", "p50 ms", "p95 ms", "service ms", "tokens read", "tokens/forward"):
        table.add_column(heading, justify="left" if not heading else "right")
    for one in timings:
        per_forward = "" if one.tokens_per_forward is None else f"{one.tokens_per_forward:.2f}"
        numbers = (one.ms_p50, one.ms_p95, one.service_ms, one.tokens_computed)
        table.add_row(one.name, str(one.n), *(f"{number:.0f}" for number in numbers), per_forward)
    return table


def _server(start: ServerStart) -> str:
    torch = "torch loaded" if start.has_torch else "no torch"
    return f"language server: initialize answered after {start.ms:.0f} ms, {start.resident_bytes / 1e6:.0f} MB, {torch}"


if __name__ == "__main__":
    main()
