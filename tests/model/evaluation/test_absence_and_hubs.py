"""Evaluation asks for what is not there, and mixes in images that are no photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.bundle import TrainedModel
from model.data.shards import read_shards
from model.evaluation.absence import absence
from model.evaluation.drawn import drawn_images
from model.evaluation.hubs import hubs
from model.processor import PixelBertProcessor
from model.scoring.collection import EncodedCollection, encode_collection
from model.scoring.photo_space import PhotoSpace
from model.scoring.ranker import Ranker
from model.scoring.vocabulary import Vocabulary
from tests.model.scenes import photos, scenes


@pytest.fixture(scope="module")
def ranker(trained_on_scenes: Path) -> Ranker:
    ranker = Ranker.load(trained_on_scenes, device="cpu")
    ranker.parameters = replace(ranker.parameters, vocabulary=Vocabulary({"a": 9, "red": 9, "blue": 9}))
    return ranker


@pytest.fixture(scope="module")
def processor_of_scenes(trained_on_scenes: Path) -> PixelBertProcessor:
    return PixelBertProcessor.from_pretrained(trained_on_scenes)


@pytest.fixture(scope="module")
def collection(ranker: Ranker, processor_of_scenes: PixelBertProcessor) -> EncodedCollection:
    return encode_collection(ranker, photos(len(scenes()), "dev", 5)[:40], processor_of_scenes)


def test_the_drawn_images_are_forty_of_six_kinds_and_always_the_same() -> None:
    drawn = drawn_images()
    assert len(drawn) == 40
    assert {item.kind for item in drawn} == {"plain", "gradient", "noise", "logo", "text", "icon"}
    assert {item.image.size for item in drawn if item.kind == "icon"} == {(16, 16)}
    for first, second in zip(drawn, drawn_images(), strict=True):
        assert np.array_equal(np.asarray(first.image), np.asarray(second.image))


def test_drawn_images_are_counted_among_the_first_ten(
    ranker: Ranker, processor_of_scenes: PixelBertProcessor, collection: EncodedCollection
) -> None:
    figures = hubs(ranker, processor_of_scenes.image_processor, collection)
    assert (figures["photos"], figures["drawn"]) == (40, 40)
    assert figures["queries"] == len(collection.caption_to_image)
    assert figures["hits"] == sum(figures["kinds"].values())
    assert figures["searches"] <= figures["hits"]


def test_a_penalty_takes_them_out_of_the_first_ten(
    ranker: Ranker, processor_of_scenes: PixelBertProcessor, collection: EncodedCollection
) -> None:
    """Here the penalty is on every image whose features are not those of a scene."""

    class NoScene(PhotoSpace):
        def penalty(self, pooled_features: np.ndarray) -> np.ndarray:
            known = {row.tobytes() for row in collection.photos.pooled_features}
            return np.array([0.0 if row.tobytes() in known else 1e4 for row in pooled_features], dtype=np.float32)

    calibration = replace(ranker.parameters.calibration, similarity_scale=1.0)
    parameters = replace(ranker.parameters, calibration=calibration, photo_space=NoScene())
    figures = hubs(Ranker(ranker.runtime, parameters), processor_of_scenes.image_processor, collection)
    assert (figures["searches"], figures["hits"], figures["kinds"]) == (0, 0, {})


def test_absence_is_asked_with_words_of_other_captions(
    ranker: Ranker, processor_of_scenes: PixelBertProcessor, collection: EncodedCollection
) -> None:
    captions = [["a red dog near a lamp", "the lamp with a dog"]] * len(collection.photos)
    elsewhere = [["a sofa beside a lamp", "the horse near a dog"]] * 20
    figures = absence(ranker, processor_of_scenes, collection.photos, captions, elsewhere)
    assert figures is not None
    assert figures["queries"] == 2
    assert 0.0 <= figures["auroc"] <= 1.0
    assert figures["called_absent"] == {"absent": 0.0, "present": 0.0}, "no rule was fitted"


def test_where_no_other_captions_are_known_absence_is_not_measured(
    ranker: Ranker, processor_of_scenes: PixelBertProcessor, collection: EncodedCollection
) -> None:
    captions = [["a red dog"]] * len(collection.photos)
    assert absence(ranker, processor_of_scenes, collection.photos, captions, []) is None


def test_images_that_are_no_photos_are_not_among_the_first_ten_of_the_shipped_weights(shared: Path) -> None:
    model = TrainedModel(device="cpu")
    if not len(model.scoring_parameters.photo_space.centre):
        pytest.skip("the shipped weights were calibrated before there was a space of photos")
    shown = [photo.with_captions(1) for photo in read_shards([shared / "coco-000.tar"], "dev")[:100]]
    ranker = Ranker(model.runtime, model.scoring_parameters, joint=False)
    figures = hubs(ranker, model.processor.image_processor, encode_collection(ranker, shown, model.processor))
    assert figures["searches"] <= 4, "a greater penalty would hide close-ups, which are unlike the training photos too"


def test_a_photo_unlike_the_training_photos_is_found_by_its_sentence() -> None:
    data = pytest.importorskip("skimage.data", reason="make test installs it")
    model = TrainedModel(device="cpu")
    pictures = [data.coffee(), data.chelsea(), data.astronaut(), data.rocket()]
    shown = [model.processor.image_processor.resize(Image.fromarray(picture)) for picture in pictures]
    photos = model.runtime.encode_image(shown)
    assert model.scoring_parameters.photo_space.penalty(photos.pooled_features)[0] > 0, "otherwise nothing is tested"
    for sentence in ("a cup of coffee on a table", "coffee", "a cup of coffee"):
        scores = model.ranker.score(model.runtime.encode_text([sentence]), photos).scores
        assert scores.argmax() == 0, sentence
