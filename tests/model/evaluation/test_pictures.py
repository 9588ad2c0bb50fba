"""Pictures are files that can be opened, and show what they are given."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model.pictures import PictureError, reliability_diagram
from model.scoring.match_quality import match_quality

pytest.importorskip("matplotlib")


def drawn(path: Path, right: NDArray[np.bool_]) -> NDArray[np.uint8]:
    match = np.linspace(0, 1, len(right), dtype=np.float32)
    reliability_diagram(match_quality(match, right)["bins"], path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_a_reliability_diagram_shows_the_bins(tmp_path: Path) -> None:
    truth = np.random.default_rng(0).random(1000) < np.linspace(0, 1, 1000)
    believed, doubted = drawn(tmp_path / "a.png", truth), drawn(tmp_path / "b.png", ~truth)
    assert believed.shape == doubted.shape
    assert (believed != doubted).any()
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}, "nothing half drawn is left"


def test_drawing_leaves_no_state_behind(tmp_path: Path) -> None:
    drawn(tmp_path / "a.png", np.arange(100) > 50)
    assert "matplotlib.pyplot" not in sys.modules


def test_a_missing_package_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PictureError, match="pip install matplotlib"):
        reliability_diagram([{"hits": 1, "match": 10.0, "right": 0.0}], tmp_path / "a.png")
