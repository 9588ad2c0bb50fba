from __future__ import annotations

from pathlib import Path

from tests.cli.contention import KINDS, contend


def test_commands_side_by_side_are_all_carried_out_and_nothing_is_lost(tmp_path: Path, quick_weights: Path) -> None:
    outcome = contend(tmp_path, quick_weights, 8.0)
    assert outcome.errors == []
    assert outcome.losses == []
    assert [kind for kind in KINDS if not outcome.operations[kind] and not outcome.turned_away[kind]] == []
    assert outcome.operations["caption"] > 0, "who writes words need not wait for others to index"
