"""Killing a process (-9) at any moment loses nothing and needs no repair."""

from __future__ import annotations

from pathlib import Path

from tests.indexer.crashes import live


def test_a_library_that_was_killed_again_and_again_equals_one_that_lived_in_peace(tmp_path: Path) -> None:
    outcome = live(tmp_path, kills=14, most_a_chapter=2, seed=2)
    assert outcome.kills.total() == 14
    assert outcome.chapters >= 7  # indexing, writing, indexing, removing, indexing, migrating, a change of weights
    assert outcome.photos > 50
    assert (outcome.lost, outcome.repairs, outcome.differences) == (0, [], [])
