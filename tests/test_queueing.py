"""The simulation of `benchmarks.queueing` agrees with what queueing theory knows exactly. The seeds are fixed."""

from __future__ import annotations

import math
from statistics import fmean, stdev

import pytest

from benchmarks.queueing import Service, Station, constant, exponential, open_queue, people, slowest_of, varying
from benchmarks.sizing import Figures, changed, check_lines, limits, plan

RUNS, SEARCHES, WARM_UP = 12, 4000, 400
T_99 = 3.106
"""Student's t of 11 degrees of freedom, both sides, 99 %."""


def mean_wait(service: Service, mean_s: float, servers: int, rate: float) -> tuple[float, float]:
    """The mean wait for a server over independent runs, and half of its 99 % confidence interval."""
    runs = [
        fmean(open_queue([Station(servers, service)], rate, SEARCHES, seed)[WARM_UP:]) - mean_s for seed in range(RUNS)
    ]
    return fmean(runs), T_99 * stdev(runs) / math.sqrt(RUNS)


def erlang_c(servers: int, load: float) -> float:
    """The probability that a search waits, by Erlang's formula; `load` is that of all servers together."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(load**number / math.factorial(number) for number in range(servers)) + last)


@pytest.mark.parametrize("load", [0.5, 0.8])
class TestTheWaitIsThatOfTheClosedForm:
    def test_one_server_random_times(self, load: float) -> None:
        wait, error = mean_wait(exponential(0.1), 0.1, 1, load / 0.1)
        assert wait == pytest.approx(load * 0.1 / (1 - load), abs=error)

    def test_one_server_equal_times(self, load: float) -> None:
        wait, error = mean_wait(constant(0.1), 0.1, 1, load / 0.1)
        assert wait == pytest.approx(load * 0.1 / (2 * (1 - load)), abs=error)

    def test_one_server_times_of_a_known_spread(self, load: float) -> None:
        wait, error = mean_wait(varying(0.1, 0.5), 0.1, 1, load / 0.1)
        assert wait == pytest.approx(load * 0.1 * (1 + 0.5**2) / (2 * (1 - load)), abs=error)

    def test_several_servers_random_times(self, load: float) -> None:
        servers = 4
        wait, error = mean_wait(exponential(0.1), 0.1, servers, servers * load / 0.1)
        assert wait == pytest.approx(erlang_c(servers, servers * load) * 0.1 / (servers * (1 - load)), abs=error)


def test_a_batch_waits_until_it_is_full_or_its_first_search_has_waited_long_enough() -> None:
    station = Station(servers=1, service=constant(1.0, 0.5), batch=2, linger_s=0.25)
    assert people([station], 2, 0.0, 0.1, seed=0) == [2.0, 2.0]
    assert people([station], 1, 0.0, 0.1, seed=0) == [1.75]
    assert people([station], 3, 0.0, 0.1, seed=0) == [2.0, 2.0, 3.5]


def test_stations_follow_each_other_and_people_look_before_they_search_again() -> None:
    path = [Station(1, constant(1.0)), Station(2, constant(3.0))]
    assert people(path, 2, 4.0, 9.0, seed=0) == [4.0, 4.0, 4.0]
    assert people(path, 2, 0.0, 1.0, seed=0) == [4.0, 5.0]


def test_of_many_shards_one_is_slow_more_often() -> None:
    for shards in (1, 10):
        took = open_queue([Station(10**6, slowest_of(shards, 1.0, 9.0, 0.05))], 1.0, 20_000, seed=1)
        assert fmean(seconds > 5 for seconds in took) == pytest.approx(1 - 0.95**shards, abs=0.01)


def test_where_people_wait_the_prediction_is_within_a_quarter_of_what_was_measured() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in list(check_lines(Figures()))[2:]]
    errors = {int(row[0]): max(abs(int(row[column].rstrip("%"))) for column in (3, 6, 9)) for row in rows}
    assert all(error <= 25 for people, error in errors.items() if people > 1), errors


def test_more_photos_and_dearer_machines_cost_more_and_an_unknown_figure_is_refused() -> None:
    figures = Figures()
    dearer = changed(figures, ["machine_a_month=500", "cores=4"])
    assert (
        plan(10**8, 50, 8, dearer).a_month > plan(10**8, 50, 8, figures).a_month > plan(10**7, 50, 8, figures).a_month
    )
    assert limits(dearer, 1)["cores, for the rerank"] == limits(figures, 1)["cores, for the rerank"] / 2
    for wrong in ("machine=500", "cores=many"):
        with pytest.raises(SystemExit, match=r"there is no figure|must be a number"):
            changed(figures, [wrong])
