"""What the service counts, in Prometheus' text format.

Requests are counted here, by how they ended; work is counted by the engine, whoever it was done for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from sampler.protocol.messages import Failure, InfillResult

BUCKETS_MS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


class Metrics:
    """Counts of answered requests; `text` renders them with the gauges of the moment."""

    def __init__(self) -> None:
        self.running = 0
        self._outcomes: Counter[str] = Counter()
        self._causes: Counter[str] = Counter()
        self._buckets: Counter[int] = Counter()
        self._ms = 0.0

    def count(self, last: InfillResult | Failure) -> None:
        """Count one request by its last event."""
        if isinstance(last, Failure):
            self._outcomes[last.kind] += 1
            return
        self._outcomes[last.candidates[0].finish if last.candidates else "end"] += 1
        self._causes[last.cache_miss] += 1
        self._ms += last.ms
        self._buckets.update(limit for limit in BUCKETS_MS if last.ms <= limit)

    def text(self, gauges: Mapping[str, float], totals: Mapping[str, float]) -> str:
        """Everything, one metric after the other; `gauges` are values of the moment, `totals` the engine's counters."""
        n_results = sum(self._causes.values())
        histogram: list[tuple[str, float]] = [
            (f'_bucket{{le="{limit / 1000:g}"}}', self._buckets[limit]) for limit in BUCKETS_MS
        ]
        histogram += [('_bucket{le="+Inf"}', n_results), ("_sum", self._ms / 1000), ("_count", n_results)]
        return "".join(
            [
                _metric("requests_total", "counter", _labelled("outcome", self._outcomes)),
                _metric("cache_lookups_total", "counter", _labelled("miss", self._causes)),
                *(_metric(f"engine_{name}_total", "counter", [("", n)]) for name, n in sorted(totals.items())),
                _metric("request_seconds", "histogram", histogram),
                _metric("requests_running", "gauge", [("", self.running)]),
                *(_metric(name, "gauge", [("", value)]) for name, value in gauges.items()),
            ]
        )


def _labelled(label: str, counts: Counter[str]) -> list[tuple[str, float]]:
    return [(f'{{{label}="{value}"}}', n) for value, n in sorted(counts.items())]


def _metric(name: str, kind: str, samples: Iterable[tuple[str, float]]) -> str:
    lines = [f"seedfill_{name}{suffix} {value}\n" for suffix, value in samples]
    return f"# TYPE seedfill_{name} {kind}\n" + "".join(lines)
