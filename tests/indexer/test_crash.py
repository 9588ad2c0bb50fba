"""Killing a process (-9) at any moment loses nothing and needs no repair."""

from __future__ import annotations

from pathlib import Path

from tests.indexer.crashes import run_with_kills


def test_a_library_that_was_killed_many_times_equals_one_that_never_was(tmp_path: Path) -> None:
    outcome = run_with_kills(tmp_path, kills=14, max_kills_per_step=2, seed=2)
    assert outcome.kills.total() == 14
    assert outcome.steps >= 7  # indexing, writing, indexing, removing, indexing, migrating, a change of weights
    assert outcome.photos > 50
    assert (outcome.lost, outcome.repairs, outcome.differences) == (0, [], [])
