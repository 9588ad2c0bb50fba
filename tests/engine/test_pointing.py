"""The pointing test: two photos as one picture, and which of them a map points to."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.pointing import one_picture, pointed, points_to_half, share
from model.bundle import TrainedModel
from model.data.shards import CaptionedPhoto

LAYOUTS = {"left": 0, "right": 1, "above": 2, "below": 3}


def plain(caption: str, colour: tuple[int, int, int]) -> CaptionedPhoto:
    file = io.BytesIO()
    Image.new("RGB", (120, 90), colour).save(file, "JPEG")
    return CaptionedPhoto(caption, file.getvalue(), (caption,), "plain", "dev")


@pytest.mark.parametrize(("name", "cell"), [("left", (1, 0)), ("right", (1, 3)), ("above", (0, 2)), ("below", (3, 2))])
def test_the_hottest_cell_points_to_the_half_it_lies_in(name: str, cell: tuple[int, int]) -> None:
    heat = np.zeros((4, 4), dtype=np.float32)
    heat[cell] = 1.0
    opposite = {"left": "right", "right": "left", "above": "below", "below": "above"}
    assert points_to_half(heat, LAYOUTS[name])
    assert not points_to_half(heat, LAYOUTS[opposite[name]])


@pytest.mark.parametrize("layout", LAYOUTS.values())
def test_the_photo_that_is_shown_lies_in_its_half(word_weights: Path, layout: int) -> None:
    model = TrainedModel(word_weights, device="cpu")
    picture = one_picture(model, plain("red", (250, 0, 0)), plain("blue", (0, 0, 250)), layout)
    assert picture.shape == (96, 96, 3)
    assert points_to_half(picture[..., 0].astype(np.float32), layout)
    assert not points_to_half(picture[..., 2].astype(np.float32), layout)


def test_every_word_of_one_photo_only_is_a_case(word_weights: Path) -> None:
    model = TrainedModel(word_weights, device="cpu")
    shown, other = plain("a red circle and an unlearned square", (250, 0, 0)), plain("a circle", (0, 0, 250))
    kinds = [kind for kind, _ in pointed(model, shown, other, 0, np.random.default_rng(0))]
    assert kinds.count("words, odds from 0") == 2, "red and square: the other has a circle too"
    assert kinds.count("words, odds from 20") == 2
    assert kinds.count("attention") == 1


def test_the_share_of_right_cases_has_an_interval_over_pictures() -> None:
    counted = share([(0, True), (0, True), (1, True), (2, False)])
    assert (counted["percent"], counted["cases"], counted["pictures"]) == (75.0, 4, 3)
    assert counted["interval"] == [0.0, 100.0]
    assert share([(number, True) for number in range(9)])["interval"] == [100.0, 100.0]
