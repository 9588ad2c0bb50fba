"""A simulation of searches that wait: for cores, for a batch to fill, for the slowest of several shards.

Events are taken from a heap in the order of their times. Times are seconds, and random numbers come from one seed.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

Service = Callable[[Random, int], float]
"""Seconds that a server needs for a batch of so many searches."""


@dataclass(frozen=True)
class Station:
    """Servers with one queue. A free server takes what waits, up to `batch` searches, once the first has waited
    `linger_s` or the batch is full."""

    servers: int
    service: Service
    batch: int = 1
    linger_s: float = 0.0


def open_queue(stations: Sequence[Station], rate: float, searches: int, seed: int) -> list[float]:
    """The seconds that each search takes through all stations, in order of arrival: at random, `rate` a second."""
    random = Random(seed)
    times = list(itertools.accumulate(random.expovariate(rate) for _ in range(searches)))
    return _simulate(stations, times, random, people_look_s=None, until_s=float("inf"))


def people(stations: Sequence[Station], count: int, look_s: float, seconds: float, seed: int) -> list[float]:
    """So many people, who look at the photos for `look_s` before they search again, for so many seconds."""
    arrivals = [look_s * number / count for number in range(count)]
    return _simulate(stations, arrivals, Random(seed), people_look_s=look_s, until_s=seconds)


def exponential(mean_s: float) -> Service:
    """Times that vary as much as those of independent events do."""
    return lambda random, _: random.expovariate(1 / mean_s)


def varying(mean_s: float, spread: float) -> Service:
    """Times around a mean, with a standard deviation of `spread` times that."""
    return lambda random, _: random.gammavariate(1 / spread**2, mean_s * spread**2)


def constant(first_s: float, each_s: float = 0.0) -> Service:
    """The same time for each batch, and more for each search in it."""
    return lambda _, size: first_s + each_s * size


def slowest_of(shards: int, typical_s: float, slow_s: float, slow_share: float) -> Service:
    """As long as the slowest shard: each needs `typical_s`, and in one case of `1 / slow_share` it needs `slow_s`."""
    any_slow = 1 - (1 - slow_share) ** shards
    return lambda random, _: slow_s if random.random() < any_slow else typical_s


def _simulate(
    stations: Sequence[Station],
    arrivals: Sequence[float],
    random: Random,
    *,
    people_look_s: float | None,
    until_s: float,
) -> list[float]:
    events: list[tuple[float, int, int, tuple[int, ...]]] = []  # time, number, station (-1: look again), searches
    numbers = itertools.count()
    began, took = list[float](), list[float]()
    waiting = [deque[tuple[float, int]]() for _ in stations]
    free = [station.servers for station in stations]

    def add(time: float, station: int, searches: tuple[int, ...]) -> None:
        heapq.heappush(events, (time, next(numbers), station, searches))

    def serve(time: float, at: int) -> None:
        station, queue = stations[at], waiting[at]
        while free[at] and queue and (len(queue) >= station.batch or time >= queue[0][0] + station.linger_s):
            searches = tuple(queue.popleft()[1] for _ in range(min(station.batch, len(queue))))
            free[at] -= 1
            add(time + station.service(random, len(searches)), at + 1, searches)

    def join(time: float, at: int, search: int) -> None:
        waiting[at].append((time, search))
        if stations[at].linger_s:
            add(time + stations[at].linger_s, at, ())
        serve(time, at)

    for time in arrivals:
        add(time, -1, ())
    while events:
        time, _, at, searches = heapq.heappop(events)
        if at == -1:
            if time < until_s:
                began.append(time)
                took.append(0.0)
                join(time, 0, len(began) - 1)
            continue
        if not searches:  # the first of a batch has waited long enough
            serve(time, at)
            continue
        free[at - 1] += 1
        for search in searches:
            if at < len(stations):
                join(time, at, search)
                continue
            took[search] = time - began[search]
            if people_look_s is not None:
                add(time + people_look_s, -1, ())
        serve(time, at - 1)
    return took
