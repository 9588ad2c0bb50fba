"""Images unlike all photos lose similarity, photos lose none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray

from model.scoring.photo_space import PhotoSpace
from model.weights import WeightsError

PHOTOS, WIDTH, DIRECTIONS = 3000, 500, 120


def features(count: int, seed: int, *, inside: float = 1.0, outside: float = 0.05) -> NDArray[np.float32]:
    """Pooled features whose roots lie near a space of a few directions, or not."""
    axes = np.random.default_rng(0).normal(0, 0.2, (DIRECTIONS, WIDTH))
    random = np.random.default_rng(seed)
    roots = 2.0 * inside + inside * random.normal(0, 1, (count, DIRECTIONS)) @ axes
    return np.asarray(np.maximum(roots + random.normal(0, outside, (count, WIDTH)), 0.0) ** 2, dtype=np.float32)


@pytest.fixture(scope="module")
def space() -> PhotoSpace:
    return PhotoSpace.learn(features(PHOTOS, 1))


def test_other_photos_lose_nothing(space: PhotoSpace) -> None:
    assert (space.penalty(features(500, 2)) > 0).mean() < 0.02


def test_what_is_little_and_lies_outside_loses_all_the_same(space: PhotoSpace) -> None:
    others = np.concatenate([features(20, 3, inside=0.1, outside=1.0), features(20, 4, inside=0.2, outside=0.5)])
    penalties = space.penalty(others)
    assert penalties.min() == penalties.max() > 0.25


def test_it_rises_from_what_is_usual_to_what_is_no_photo(space: PhotoSpace) -> None:
    steps = np.linspace(0.05, 1.0, 30)
    penalties = [float(space.penalty(features(1, 5, outside=step))[0]) for step in steps]
    assert penalties == sorted(penalties)
    assert penalties[0] == 0.0
    assert penalties[-1] > 0.25


@pytest.mark.parametrize("count", [0, 1, 200])
def test_of_too_few_photos_nothing_is_learned(count: int) -> None:
    space = PhotoSpace.learn(features(count, 1))
    assert space.penalty(features(4, 3, inside=0.1, outside=1.0)).tolist() == [0.0] * 4


def test_an_image_without_any_features_has_a_penalty(space: PhotoSpace) -> None:
    assert np.isfinite(space.penalty(np.zeros((1, WIDTH), dtype=np.float32))).all()


def test_features_of_another_network_are_refused(space: PhotoSpace) -> None:
    with pytest.raises(WeightsError, match="calibrate"):
        space.penalty(np.zeros((2, WIDTH + 1), dtype=np.float32))


def test_it_is_the_same_after_it_was_written(space: PhotoSpace) -> None:
    file = io.BytesIO()
    space.write(file)
    file.seek(0)
    others = features(50, 6, outside=0.3)
    assert np.array_equal(PhotoSpace.read(file).penalty(others), space.penalty(others))
