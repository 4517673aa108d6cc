"""Whose turn it is: clients take turns, not requests, so that nobody who asks often keeps others waiting."""

from __future__ import annotations

import itertools
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence

from sampler.engine.job import Job

MAX_CLIENTS = 1024
"""Clients whose last turn is remembered."""


class Turns:
    """When each client was last served."""

    def __init__(self) -> None:
        self._served: OrderedDict[str, int] = OrderedDict()
        self._n_turns = 0

    def first(self, waiting: Sequence[Job]) -> Job:
        """Of the requests that wait, of which there is one at least, the oldest of the client served longest ago."""
        job = min(waiting, key=lambda one: self._served.get(one.client, 0))
        self._n_turns += 1
        self._served[job.client] = self._n_turns
        self._served.move_to_end(job.client)
        while len(self._served) > MAX_CLIENTS:
            self._served.popitem(last=False)
        return job


def alternating(jobs: Iterable[Job]) -> list[Job]:
    """The jobs, a first one of each client before a second one of any, otherwise in their order."""
    by_client: defaultdict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_client[job.client].append(job)
    rounds = itertools.zip_longest(*by_client.values())
    return [job for turn in rounds for job in turn if job is not None]
