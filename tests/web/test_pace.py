from __future__ import annotations

import pytest

from web.indexing import Progress
from web.pace import Pace, time_left


def pace(*samples: tuple[float, int]) -> Pace:
    measured = Pace()
    for at, done in samples:
        measured.note(done, at)
    return measured


@pytest.mark.parametrize("samples", [[], [(0, 1)], [(0, 0), (3, 100)], [(0, 0), (20, 7)], [(0, 5), (60, 5)]])
def test_nothing_is_said_before_it_is_known(samples: list[tuple[float, int]]) -> None:
    assert pace(*samples).rate is None
    assert pace(*samples).seconds_left(100) is None


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    assert pace((0, 0), (10, 50)).rate == 5.0
    slowing = pace(*[(at, 10 * at) for at in range(61)], *[(60 + at, 600 + at) for at in range(1, 61)])
    assert slowing.rate == pytest.approx(1.0, abs=0.4)
    assert slowing.seconds_left(760) == pytest.approx(100, rel=0.4)


def test_a_burst_and_a_pause_count_for_little() -> None:
    bursts = pace(*[(at, 32 * (at // 4)) for at in range(41)])
    assert bursts.rate == pytest.approx(8.0, rel=0.2)


def test_no_time_is_left_at_the_end() -> None:
    assert pace((0, 0), (10, 50)).seconds_left(50) == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "a few seconds left"), (9, "a few seconds left"), (11, "about 20 seconds left"),
        (59, "about 60 seconds left"), (61, "about 1 minute left"), (170, "about 3 minutes left"),
        (5000, "about 83 minutes left"), (5401, "about 2 hours left"), (86400, "about 24 hours left"),
        (3.6e6, "about 1,000 hours left"),
    ],
)  # fmt: skip
def test_the_time_left_is_no_more_exact_than_it_is_known(seconds: float, text: str) -> None:
    assert time_left(seconds) == text


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(), "Nothing is being indexed from here."),
        (Progress("running"), "Looking for photos"),
        (Progress("running", 3, 1200), "3 of 1,200 files read"),
        (Progress("running", 300, 1200, 2, rate=7.52, seconds_left=120),
         "300 of 1,200 files read, 2 skipped; 7.5 photos/s, about 2 minutes left"),
        (Progress("running", 300, 1200, rate=75.2, seconds_left=12),
         "300 of 1,200 files read; 75 photos/s, about 20 seconds left"),
        (Progress("running", 1200, 1200, 1, rate=75.2, seconds_left=0),
         "1,200 of 1,200 files read, 1 skipped; finishing"),
        (Progress("failed", 3, 1200, message="the disk is full"), "the disk is full"),
    ],
)  # fmt: skip
def test_the_progress_is_told_in_one_sentence(progress: Progress, text: str) -> None:
    assert progress.text == text
