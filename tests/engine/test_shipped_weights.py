"""The weights we ship, on real photos, end to end: a folder is indexed, and people's own words find its photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.search import SearchEngine
from model.bundle import TrainedModel
from model.data.shards import read_shards
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.weights import find_weights, generation
from tests.engine.libraries import index

WITHIN = 10


@pytest.fixture(scope="module")
def engine(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchEngine]:
    library = tmp_path_factory.mktemp("library")
    index(library, shared / "photos", find_weights())
    with SearchEngine.open(library) as engine:
        yield engine


@pytest.fixture(scope="module")
def captions(shared: Path) -> dict[str, str]:
    """What a person said of each photo in the folder, by file name. No photo of it was trained on."""
    names = {path.name for path in (shared / "photos").iterdir()}
    known = read_shards(sorted(shared.glob("flickr8k-*.tar")))
    captioned = {name: photo for photo in known if (name := photo.key.removeprefix("flickr8k_") + ".jpg") in names}
    assert captioned.keys() == names
    assert {photo.split for photo in captioned.values()} <= {"dev", "test"}
    return {name: photo.captions[0] for name, photo in captioned.items()}


def test_the_maps_of_the_words_add_up_to_what_the_words_say(shared: Path) -> None:
    model = TrainedModel(device="cpu")
    detectors = model.scoring_parameters.detectors
    ids = model.processor.tokenize(["two dogs on the beach"])["input_ids"][0]
    of_piece = dict(zip(detectors.ids.tolist(), (detectors.bias - detectors.prior_logits).tolist(), strict=True))
    constants = np.array([of_piece.get(piece, 0.0) for piece in ids.tolist()])
    for path in sorted((shared / "photos").iterdir())[:3]:
        with Image.open(path) as image:
            pixels = model.processor.image_processor.resize(image)
        cells, pooled = model.runtime.cells(pixels), model.runtime.encode_image([pixels]).pooled_features
        np.testing.assert_allclose(cells.mean(axis=0), pooled[0], atol=1e-5)
        said = detectors.detect(pooled).per_token(ids)[0]
        np.testing.assert_allclose(detectors.shares(cells, ids).sum(axis=1), said - constants, atol=1e-4)


@pytest.mark.parametrize("rerank", [False, True])
def test_photos_are_found_by_what_people_said_of_them(
    engine: SearchEngine, captions: dict[str, str], rerank: bool
) -> None:
    correct = 0
    for name, caption in captions.items():
        hits = engine.search(caption, limit=WITHIN, shortlist=2 * WITHIN, rerank=rerank).hits
        correct += name in {Path(hit.path).name for hit in hits}
    chance = WITHIN / len(captions)
    assert correct / len(captions) >= 8 * chance


def test_a_photo_matches_its_own_sentence_better_than_another(engine: SearchEngine, captions: dict[str, str]) -> None:
    everything = len(captions)
    own: list[float] = []
    others: list[float] = []
    for name, caption in list(captions.items())[:20]:
        for hit in engine.search(caption, limit=everything, shortlist=everything).hits:
            assert hit.match is not None
            (own if Path(hit.path).name == name else others).append(hit.match)
    assert sum(own) / len(own) > 5 * sum(others) / len(others)


def test_the_shipped_weights_come_with_calibration_word_detectors_and_card() -> None:
    weights = find_weights()
    parameters = ScoringParameters.load(weights, generation(weights))
    assert parameters.calibration != Calibration()
    assert len(parameters.detectors.ids) > 1000
    card = (weights / "README.md").read_text(encoding="utf-8")
    for subject in ("Trained on", "R@1", "Limits"):
        assert subject in card
