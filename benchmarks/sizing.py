"""How many machines a library of a million to a billion photos takes, what they cost, and what breaks first.

python -m benchmarks.sizing
python -m benchmarks.sizing --set machine_a_month=180 --set search_cores=16

`benchmarks.constants` measures what one photo and one search cost. What nobody here has measured is an assumption.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from benchmarks.queueing import Station, open_queue, people, slowest_of, varying

_SIZES = (10**6, 10**7, 10**8, 10**9)
_SEARCHES, _SEED, _MANY = 20_000, 0, 10**6
_DAY_S, _MONTH_S = 86_400.0, 2_629_800.0
_LOAD_TEST = {1: (0.09, 0.11, 11.19), 2: (0.17, 0.23, 11.33), 5: (0.42, 0.47, 11.94), 10: (0.86, 0.94, 11.48)}
"""By people who search without a pause on two cores: p50 and p95 in seconds, and searches a second, as measured."""


@dataclass(frozen=True)
class Figures:
    """Measured on two cores (`benchmarks.constants`), except those below the line: assumptions of November 2026.

    The two of indexing were measured with one view of a photo; the second, 46 ms, is added by `benchmarks.views`.
    """

    catalog_bytes: float = 734
    embedding_bytes: float = 1_024
    features_bytes: float = 1_282 + 24_704
    thumbnail_bytes: float = 8_000
    exact_bytes: float = 1_288
    coarse_bytes: float = 123
    graph_bytes: float = 2_840
    index_ms: float = 480
    index_without_text_ms: float = 91
    search_ms: float = 162
    shortlist: float = 64
    ids_s_per_million: float = 0.7
    # --- assumptions
    spread: float = 0.2
    cores: float = 8
    memory_gb: float = 64
    disk_gb: float = 2_000
    network_mb_s: float = 1_250
    machine_a_month: float = 250
    disk_gb_a_month: float = 0.08
    objects_gb_a_month: float = 0.023
    thousand_reads: float = 0.0004
    busy: float = 0.6
    memory_share: float = 0.7
    peak_to_mean: float = 4
    longest_opening_s: float = 30
    shard_ms: float = 5
    slow_shard_ms: float = 50
    slow_shard_share: float = 0.01
    objects_ms: float = 30
    slow_objects_ms: float = 200
    slow_objects_share: float = 0.02


@dataclass(frozen=True)
class Plan:
    """What a library of that size takes."""

    photos: int
    peak_rate: float
    search_machines: int
    vector_machines: int
    index_machines: int
    disk_gb: float
    objects_gb: float
    index_days: float
    index_days_without_text: float
    network_mb_s: float
    a_month: float
    a_thousand: float
    p50_ms: float
    p99_ms: float
    breaks_first: str


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", dest="changes")
    figures = changed(Figures(), parser.parse_args().changes)
    for line in (*plan_lines(figures), "", *limit_lines(figures), "", *check_lines(figures)):
        print(line)


def changed(figures: Figures, changes: list[str]) -> Figures:
    """`figures` with other numbers, each given as `name=number`."""
    names = {field.name for field in fields(Figures)}
    values = {}
    for change in changes:
        name, _, number = change.partition("=")
        if name not in names:
            raise SystemExit(f"there is no figure {name}. The figures are {', '.join(sorted(names))}.")
        try:
            values[name] = float(number)
        except ValueError:
            raise SystemExit(f"{name} must be a number, not {number!r}.") from None
    return replace(figures, **values)


def limits(figures: Figures, rate: float) -> dict[str, float]:
    """How many photos one machine bears by each of its parts, at so many searches a second per million photos."""
    resident = figures.exact_bytes + figures.coarse_bytes + 8
    stored = figures.catalog_bytes + figures.embedding_bytes + figures.features_bytes + figures.thumbnail_bytes
    searches = figures.cores * figures.busy / (figures.search_ms / 1000)
    return {
        "memory, for the vectors": figures.memory_gb * 1e9 * figures.memory_share / resident,
        "disk": figures.disk_gb * 1e9 / (stored + figures.exact_bytes + figures.coarse_bytes),
        "cores, for the rerank": 1e6 * searches / rate,
        "opening, which reads all ids": 1e6 * figures.longest_opening_s / figures.ids_s_per_million,
    }


def plan(photos: int, rate: float, index_machines: int, figures: Figures) -> Plan:
    """What `photos` take at `rate` searches a second at the peak, if so many machines index them."""
    one = limits(figures, rate / photos * 1e6)
    is_one_machine = photos <= min(one["memory, for the vectors"], one["disk"])
    search_machines = math.ceil(rate * figures.search_ms / 1000 / figures.cores / figures.busy)
    graph = photos * figures.graph_bytes / (figures.memory_gb * 1e9 * figures.memory_share)
    vector_machines = 0 if is_one_machine else math.ceil(graph)
    database_machines = 0 if is_one_machine else 2  # PostgreSQL and its replica
    files_gb = photos * (figures.features_bytes + figures.thumbnail_bytes) / 1e9
    others_gb = photos * (figures.catalog_bytes + figures.embedding_bytes + figures.exact_bytes) / 1e9
    disk_gb, objects_gb = (files_gb + others_gb, 0.0) if is_one_machine else (others_gb, files_gb)
    reads = 0 if is_one_machine else figures.shortlist
    core_days = photos / 1000 / figures.cores / index_machines / _DAY_S
    searches_a_month = rate / figures.peak_to_mean * _MONTH_S
    a_month = (
        (search_machines + vector_machines + database_machines) * figures.machine_a_month
        + disk_gb * figures.disk_gb_a_month
        + objects_gb * figures.objects_gb_a_month
        + searches_a_month * reads / 1000 * figures.thousand_reads
    )
    took = open_queue(stations(figures, search_machines, vector_machines), rate, _SEARCHES, _SEED)
    p50, p99 = np.percentile(took[_SEARCHES // 10 :], (50, 99))
    return Plan(
        photos=photos,
        peak_rate=rate,
        search_machines=search_machines,
        vector_machines=vector_machines,
        index_machines=index_machines,
        disk_gb=disk_gb,
        objects_gb=objects_gb,
        index_days=core_days * figures.index_ms,
        index_days_without_text=core_days * figures.index_without_text_ms,
        network_mb_s=0 if is_one_machine else rate * figures.shortlist * figures.features_bytes / 1e6,
        a_month=a_month,
        a_thousand=1000 * a_month / searches_a_month,
        p50_ms=1000 * float(p50),
        p99_ms=1000 * float(p99),
        breaks_first=min(one, key=lambda part: one[part]),
    )


def stations(figures: Figures, search_machines: int, vector_machines: int) -> list[Station]:
    """The path of a search: the vector store's shards and object storage, which are far off, and the cores."""
    cores = Station(int(search_machines * figures.cores), varying(figures.search_ms / 1000, figures.spread))
    if not vector_machines:
        return [cores]
    shards = slowest_of(
        vector_machines, figures.shard_ms / 1000, figures.slow_shard_ms / 1000, figures.slow_shard_share
    )
    reads = slowest_of(
        int(figures.shortlist), figures.objects_ms / 1000, figures.slow_objects_ms / 1000, figures.slow_objects_share
    )
    return [Station(_MANY, shards), Station(_MANY, reads), cores]


def plan_lines(figures: Figures) -> Iterator[str]:
    """The table of plans."""
    rates, indexing = (1.0, 5.0, 50.0, 500.0), (1, 2, 8, 32)
    plans = [plan(*row, figures) for row in zip(_SIZES, rates, indexing, strict=True)]
    yield "| photos | " + " | ".join(f"{each.photos:,}" for each in plans) + " |"
    yield "|---|" + "---|" * len(plans)
    rows = (
        ("searches a second at the peak", "peak_rate", ",.0f"),
        ("machines that search", "search_machines", ","),
        ("machines for vectors", "vector_machines", ","),
        ("on disks, GB", "disk_gb", ",.0f"),
        ("in object storage, GB", "objects_gb", ",.0f"),
        ("from object storage at the peak, MB/s", "network_mb_s", ",.0f"),
        ("machines that index", "index_machines", ","),
        ("days to index", "index_days", ",.1f"),
        ("days, without text in photos", "index_days_without_text", ",.1f"),
        ("p50 ms", "p50_ms", ",.0f"),
        ("p99 ms", "p99_ms", ",.0f"),
        ("US$ a month", "a_month", ",.0f"),
        ("US$ for 1,000 searches", "a_thousand", ",.2f"),
        ("the first limit of one machine", "breaks_first", ""),
    )
    for name, field, form in rows:
        yield f"| {name} | " + " | ".join(format(getattr(each, field), form) for each in plans) + " |"


def limit_lines(figures: Figures) -> Iterator[str]:
    """The table of what one machine bears."""
    yield "| one machine | million photos |"
    yield "|---|---|"
    for part, photos in limits(figures, rate=0.5).items():
        yield f"| {part} | {photos / 1e6:,.0f} |"


def check_lines(figures: Figures) -> Iterator[str]:
    """The table of what was predicted for two cores, what was measured on them, and the error."""
    yield "| people | p50 s | measured | error | p95 s | measured | error | a second | measured | error |"
    yield "|---|" + "---|" * 9
    for count, measured in _LOAD_TEST.items():
        seconds = 600.0
        took = people([Station(2, varying(figures.search_ms / 1000, figures.spread))], count, 0.0, seconds, _SEED)
        predicted = (*(float(value) for value in np.percentile(took, (50, 95))), len(took) / seconds)
        cells = (
            f"{ours:.2f} | {real:.2f} | {ours / real - 1:+.0%}" for ours, real in zip(predicted, measured, strict=True)
        )
        yield f"| {count} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
