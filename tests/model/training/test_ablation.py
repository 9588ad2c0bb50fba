"""The ablation: every row is a recipe that can be run, and runs go on where they were stopped."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks import ablation
from model.data.shards import write_shard
from model.network.configuration import PixelBertConfig
from model.runtime.hardware import has_gpu
from model.training.recipe import load_recipe, overridden
from model.weights import has_graphs
from tests.model.scenes import photos


@pytest.mark.parametrize("base", ["small", "small-cpu"])
@pytest.mark.parametrize("row", list(ablation.chosen(None)))
def test_every_row_changes_the_recipes_it_is_for(base: str, row: str) -> None:
    recipe = load_recipe(base)
    changed = overridden(recipe, ablation.chosen(row)[row], row)
    assert changed != recipe
    PixelBertConfig(**changed.config_fields).validate_architecture()


def test_an_unknown_row_names_the_known_ones() -> None:
    with pytest.raises(SystemExit, match=r"no row called no-words .*no-mlm"):
        ablation.chosen("no-mlm,no-words")


def test_a_row_is_trained_measured_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = tmp_path / "scenes.tar"
    write_shard(shard, [*photos(40, "train", 1), *photos(10, "dev", 2)])
    asked = ["ablation", "--data", str(shard), "--recipe", "tiny", "--epochs", "1", "--seeds", "1", "--rows", "no-itm"]
    monkeypatch.setattr(sys, "argv", [*asked, "--output", str(tmp_path / "runs"), "--minutes", "0"])
    ablation.main()
    said = capsys.readouterr()
    assert "|" not in said.out
    assert "Stopped in base, seed 0" in said.err
    monkeypatch.setattr(sys, "argv", [*asked, "--output", str(tmp_path / "runs")])
    ablation.main()
    table = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [row[0] for row in table[2:]] == ["base", "int8", "no-bank", "no-itm"]
    assert all(re.fullmatch(r"[+-]\d+\.\d \[[+-]\d+\.\d, [+-]\d+\.\d\]", row[3]) for row in table[3:])
    assert len({row[1] for row in table[2:5]}) == 1, "neither changes the shortlist"
    assert has_gpu() or has_graphs(tmp_path / "runs" / "no-itm-0" / "weights"), "a CPU measures faster by graphs"
