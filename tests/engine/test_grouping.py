"""Where the line lies between the best hits and the others, on lists of matches written by hand and at random."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.grouping import best_count, is_fall

MINIMUM = 0.3


def falling(first: float, last: float, count: int) -> list[float]:
    return [float(match) for match in np.linspace(first, last, count)]


@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        ([], 0),
        ([0.9], 1),
        ([0.3], 1),
        ([0.29], 0),
        ([0.8] * 7, 7),
        ([0.3] * 7, 7),
        ([0.1] * 7, 0),
        ([0.9] + [0.1] * 63, 1),
        ([0.9] + [0.28] * 63, 1),
        ([0.95, 0.9, 0.88, 0.2, 0.19, 0.18], 3),
        ([0.95, 0.94, 0.93, 0.92, *falling(0.45, 0.31, 20)], 4),
        (falling(0.83, 0.77, 26) + falling(0.3, 0.02, 38), 26),
        (falling(0.95, 0.6, 64), 64),
        ([0.45, 0.44, 0.43, 0.08, 0.07], 3),
        ([0.9, 0.8, 0.4, 0.35, 0.12, 0.1], 2),
        ([0.99, 0.98, 0.97, 0.7, 0.69, 0.68, 0.2, 0.1], 6),
        ([0.8, 0.05, 0.02, 0.01, 0.0], 1),
        ([1.0, 1.0, 0.0, 0.0], 2),
        (falling(0.29, 0.01, 64), 0),
        (falling(0.95, 0.31, 64), 64),
        ([0.65, 0.64, 0.63, 0.52, 0.48, 0.47, 0.44, 0.43, 0.36, 0.35, 0.32, 0.31, 0.19, 0.17, 0.16, 0.15], 12),
        ([0.94, 0.91, 0.89, 0.76, 0.45, 0.4, 0.35, 0.29, 0.18, 0.16], 4),
        ([0.8, 0.57, 0.44, 0.34, 0.29, 0.27, 0.2, 0.16, 0.13], 2),
        ([0.95, 0.94, 0.93, 0.92, *falling(0.45, 0.31, 20), *falling(0.12, 0.01, 40)], 4),
        (falling(0.6, 0.02, 60), 60),
    ],
)
def test_the_line_lies_at_a_fall(matches: list[float], expected: int) -> None:
    assert best_count(matches, MINIMUM) == expected


def test_near_equals_are_never_parted() -> None:
    assert best_count([0.22, 0.22, 0.22, 0.21, 0.21, 0.21], 0.2) == 6
    assert best_count([0.22, 0.22, 0.22, 0.21, 0.21, 0.21, 0.1, 0.1], 0.2) == 6


MATCHES = st.lists(st.floats(0, 1) | st.integers(0, 100).map(lambda percent: percent / 100), max_size=80).map(
    lambda matches: sorted(matches, reverse=True)
)
MINIMA = st.floats(0.01, 0.9)


@given(MATCHES, MINIMA)
def test_the_line_is_never_between_near_equals(matches: Sequence[float], minimum: float) -> None:
    line = best_count(matches, minimum)
    assert 0 <= line <= len(matches)
    if 0 < line < len(matches):
        assert is_fall(matches[line - 1], matches[line])
        assert matches[line - 1] - matches[line] >= 0.01
    assert bool(line) <= bool(matches and matches[0] >= minimum)


@given(MATCHES.filter(bool), MINIMA, st.floats(0, 1))
def test_a_better_first_hit_never_shows_less(matches: Sequence[float], minimum: float, better: float) -> None:
    raised = [max(better, matches[0]), *matches[1:]]
    assert best_count(raised, minimum) >= best_count(matches, minimum)


@given(MATCHES, MINIMA)
def test_poor_hits_below_a_fall_do_not_move_the_line(matches: Sequence[float], minimum: float) -> None:
    kept = [match for match in matches if match * (1 - minimum) >= minimum * (1 - match) / 4]
    falls = [place for place, pair in enumerate(pairwise(matches), start=1) if is_fall(*pair)]
    if len(kept) in falls:
        assert best_count(matches, minimum) == best_count(kept, minimum)


@given(MATCHES, MINIMA)
def test_where_all_differ_every_likely_hit_and_none_below_the_minimum_is_among_the_best(
    matches: Sequence[float], minimum: float
) -> None:
    distinct: list[float] = []
    for match in matches:
        if not distinct or is_fall(distinct[-1], match):
            distinct.append(match)
    line = best_count(distinct, minimum)
    if distinct and distinct[0] >= minimum:
        assert line >= sum(match >= max(0.5, minimum) for match in distinct)
    assert all(match >= minimum for match in distinct[:line])


@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        ([0.13, 0.12, 0.12, 0.1, 0.1, 0.1, 0.09, 0.08, 0.08, 0.07, 0.05, 0.04], 3),
        ([0.27, 0.24, 0.21, 0.15, 0.09, 0.08, 0.08, 0.07, 0.05], 4),
        ([0.18, 0.18, 0.18, 0.08, 0.07, 0.07, 0.06], 3),
        ([0.14, 0.04, 0.04, 0.04], 1),
        ([0.06, 0.06, 0.05, 0.04, 0.04], 0),
    ],
)
def test_matches_that_are_low_throughout_are_grouped_by_a_lower_minimum(matches: list[float], expected: int) -> None:
    """Real lists of sentences like "a dog", with a calibration under which good photos have a match of 10 to 30 %."""
    assert best_count(matches, 0.1) == expected
