"""The training photos: kept in memory or decoded a step ahead, the same to the network either way."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from model.data.shards import CaptionedPhoto, ShardError
from model.image_processor import PixelBertImageProcessor
from model.network.backbones import stages
from model.training.photos import TrainingPhotos, stage_features
from model.training.recipe import Augmentation
from tests.model.networks import tiny_network
from tests.model.scenes import photos

CPU = torch.device("cpu")
ROWS = np.array([3, 0, 5])


def grey(width: int, height: int, level: int) -> CaptionedPhoto:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (level, level, level)).save(file, "PNG")
    return CaptionedPhoto(f"{width}x{height}", file.getvalue(), ("grey",), "made", "train")


def test_photos_that_do_not_fit_into_memory_are_decoded_a_step_ahead(image_processor: PixelBertImageProcessor) -> None:
    some = photos(8, "train", 0)
    kept = TrainingPhotos(some, image_processor, Augmentation(), CPU)
    ahead = TrainingPhotos(some, image_processor, Augmentation(), CPU, memory=0)
    ahead.expect(ROWS)
    for rows in (ROWS, np.array([1, 3])):  # expected, and not
        assert torch.equal(ahead.batch(rows, augment=False)[0], kept.batch(rows, augment=False)[0])


def test_photos_of_many_sizes_are_padded_and_the_mask_knows() -> None:
    keeping = PixelBertImageProcessor(image_size=64, aspect="keep")
    wide, high = grey(150, 96, 255), grey(96, 128, 0)
    values, mask = TrainingPhotos([wide, high], keeping, Augmentation(enabled=False), CPU).batch(
        np.array([0, 1]), augment=True
    )
    assert values.shape == (2, 3, 64, 96)
    assert mask is not None
    assert mask.sum(dim=(1, 2)).tolist() == [64 * 96, 64 * 64]
    assert not values[1][:, ~mask[1]].any(), "padding is zero"
    assert values[1][:, mask[1]].max() < -0.9, "the photo is black"
    expected = keeping.normalize([keeping.resize(Image.open(io.BytesIO(photo.jpeg))) for photo in (wide, high)])
    assert np.allclose(values.numpy(), expected["pixel_values"], atol=1e-6)
    assert np.array_equal(mask.numpy(), expected["pixel_mask"])


NORMALISATIONS = {
    "ours": ((127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
    "ImageNet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "0 to 1": ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
}


def views(photo: CaptionedPhoto, normalisation: str, augmentation: Augmentation) -> NDArray[np.float32]:
    """64 random views of one photo (64, 3, H, W), from 0 (black) to 255 (white) again."""
    mean, std = (np.array(values, dtype=np.float32) for values in NORMALISATIONS[normalisation])
    some = TrainingPhotos(
        [photo], PixelBertImageProcessor(64, "squash", mean.tolist(), std.tolist()), augmentation, CPU
    )
    torch.manual_seed(0)
    values = some.batch(np.zeros(64, dtype=np.int64), augment=True)[0].numpy()
    return np.asarray(values * std[:, None, None] + mean[:, None, None], dtype=np.float32)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_view_keeps_the_colours_of_its_photo_however_they_are_normalised(normalisation: str, level: int) -> None:
    found = views(grey(64, 64, level), normalisation, Augmentation(colour=0.0))
    np.testing.assert_allclose(found, level, atol=0.01)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_a_view_changes_brightness_and_contrast_alike_however_colours_are_normalised(normalisation: str) -> None:
    (scene,) = photos(1, "train", 0)
    found = views(scene, normalisation, Augmentation(colour=0.4))
    np.testing.assert_allclose(found, views(scene, "ours", Augmentation(colour=0.4)), atol=0.01)
    assert found.min() >= -0.01
    assert found.max() <= 255.01
    assert np.ptp(found.mean(axis=(1, 2, 3))) > 50, "some are dark, some are light"


def test_a_damaged_photo_is_named(image_processor: PixelBertImageProcessor) -> None:
    broken = replace(photos(1, "train", 0)[0], jpeg=b"no photo")
    with pytest.raises(ShardError, match="photo train-00000"):
        TrainingPhotos([broken], image_processor, Augmentation(), CPU)


def test_frozen_stages_are_computed_once_and_again_for_other_photos(
    image_processor: PixelBertImageProcessor, tmp_path: Path
) -> None:
    model = tiny_network()

    def features(seed: int) -> list[str]:
        some = TrainingPhotos(photos(8, "train", seed), image_processor, Augmentation(), CPU)
        views = stage_features(model, some, frozen_stages=2, views=2, seed=0, cache=tmp_path)
        assert [view.shape[0] for view in views] == [8, 8]
        assert not np.array_equal(views[0], views[1]), "the second is a random view"
        return sorted(path.name for path in tmp_path.iterdir())

    once = features(0)
    assert len(once) == 2
    stamp = (tmp_path / once[0]).stat().st_mtime_ns
    assert features(0) == once
    assert (tmp_path / once[0]).stat().st_mtime_ns == stamp
    assert len(features(1)) == 4


@pytest.mark.parametrize("kind", ["parameters", "buffers"])
def test_frozen_stages_are_computed_again_for_other_weights(
    image_processor: PixelBertImageProcessor, tmp_path: Path, kind: str
) -> None:
    model = tiny_network()
    some = TrainingPhotos(photos(8, "train", 0), image_processor, Augmentation(), CPU)

    def features() -> NDArray[np.float16]:
        return stage_features(model, some, frozen_stages=2, views=1, seed=0, cache=tmp_path)[0]

    before = features()
    frozen, *_, trained = stages(model.pixelbert.pixel_tokens.backbone)
    with torch.no_grad():
        for tensor in trained.state_dict().values():
            tensor += 1
    assert np.array_equal(features(), before)
    with torch.no_grad():
        for tensor in getattr(frozen, kind)():
            tensor += 1
    assert not np.array_equal(features(), before)


def test_frozen_stages_are_computed_again_for_a_backbone_that_reads_the_same_weights_otherwise(
    image_processor: PixelBertImageProcessor, tmp_path: Path
) -> None:
    some = TrainingPhotos(photos(4, "train", 0), image_processor, Augmentation(), CPU)
    ours, others = (tiny_network(backbone=f"{name}efficientnet_lite0") for name in ("tf_", ""))
    others.load_state_dict(ours.state_dict())
    first, second = (
        stage_features(model, some, frozen_stages=2, views=1, seed=0, cache=tmp_path)[0] for model in (ours, others)
    )
    assert not np.array_equal(first, second)
