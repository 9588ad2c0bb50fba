"""Why a photo matched: words, the cells of a photo, and pictures of where one looks in the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from engine.errors import QueryError
from engine.explain import METHODS, ExplainedFile, Explanation, Method, explain, explain_file, heat
from engine.panels import draw_panels
from engine.search import SearchEngine
from indexer.library.errors import PhotoMissing
from model.bundle import TrainedModel
from model.image_processor import PixelBertImageProcessor
from model.processor import SPECIAL_TOKENS, PixelBertProcessor, wordpiece_tokenizer
from model.scoring.parameters import ScoringParameters
from model.scoring.ranker import Ranker
from model.scoring.word_detectors import WordDetectors
from tests.engine.libraries import SENTENCE, write_weights
from tests.indexer.colour_runtime import ColourRuntime


def test_a_word_looks_where_its_colour_is() -> None:
    runtime = ColourRuntime()
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :32] = 255, 0, 0
    pixels[32:, 32:] = 0, 0, 255
    encoded = runtime.encode_image([pixels])
    (features,) = encoded.pixel_features  # of the four quarters

    class Quarters(PixelBertImageProcessor):
        def grid(self, width: int, height: int, count: int) -> tuple[int, int]:
            return 2, 2

    class SplitAtSpaces(PixelBertProcessor):
        def words(self, sentence: str) -> list[tuple[str, range]]:
            return [(word, range(row, row + 1)) for row, word in enumerate(sentence.split())]

    tokenizer = wordpiece_tokenizer({token: row for row, token in enumerate(SPECIAL_TOKENS)})
    processor = SplitAtSpaces(Quarters(image_size=64), tokenizer)
    found = explain(runtime, processor, "red blue", features, WordDetectors().detect(encoded.pooled_features), (64, 64))
    assert found.words == ["red", "blue"]
    assert found.maps.shape == (2, 2, 2)
    assert found.overall.shape == (2, 2)
    assert found.maps[0].argmax() == 0
    assert found.maps[1].argmax() == 3
    assert found.maps.min() == 0.0
    assert found.maps.max() == pytest.approx(1.0)
    assert found.times == [], "it has learned no words"


def test_each_word_is_told_how_much_it_speaks_for_the_photo(indexed: Path, weights: Path) -> None:
    model = TrainedModel(weights, device="cpu")
    pieces, spans = model.processor.tokenize([SENTENCE])["input_ids"][0], model.processor.words(SENTENCE)
    width = model.runtime.encode_image([np.zeros((128, 128, 3), dtype=np.uint8)]).pooled_features.shape[1]
    known = np.unique(pieces[spans[0][1].start : spans[-1][1].stop])
    known = known[known != pieces[spans[1][1].start]]  # of the second word at least a piece is not learned
    random = np.random.default_rng(0)
    detectors = WordDetectors(
        known, random.normal(0, 1, (len(known), width)).astype(np.float32), *np.zeros((2, len(known)), np.float32)
    )
    model.ranker = Ranker(model.runtime, ScoringParameters(detectors=detectors))
    with SearchEngine.over(indexed, model) as engine:
        (hit,) = engine.search(SENTENCE, limit=1).hits
        found = engine.explain(hit.photo_id, SENTENCE)
        detected = detectors.detect(np.stack(list(engine._library.pooled_features([hit.photo_id]).values())))
    sentence = detected.sentence_log_odds(model.runtime.encode_text([SENTENCE]), np.arange(1))
    assert found.evidence.sum() == pytest.approx((sentence - detected.absent_log_odds)[0], abs=1e-3)
    assert found.evidence[1] == 0.0
    assert found.times[1] == "1"
    assert all(
        float(one) > 1
        for one, speaks in zip(found.times, found.evidence, strict=True)
        if speaks > 0.1 and one != "999+"
    )


def test_a_file_outside_any_library_is_explained_in_its_own_shape(weights: Path, tmp_path: Path) -> None:
    Image.effect_noise((300, 100), 80).convert("RGB").save(tmp_path / "wide.png")
    found = explain_file(tmp_path / "wide.png", f"{SENTENCE}, please!", weights=weights, device="cpu")
    assert found.explanation.words == [*SENTENCE.split(), "please"]
    assert found.explanation.maps.shape == (len(found.explanation.words), 3, 3)
    assert 0.0 < found.match < 1.0
    assert found.photo.size == (96, 32)


def test_a_photo_of_the_library_is_explained_by_what_is_stored_of_it(indexed: Path, weights: Path) -> None:
    with SearchEngine.open(indexed, weights=weights, device="cpu") as engine:
        (hit,) = engine.search(f"{SENTENCE} type:jpg", limit=1).hits
        found = engine.explain(hit.photo_id, f"{SENTENCE} -dog type:jpg")
        with pytest.raises(PhotoMissing):
            engine.explain(10**6, SENTENCE)
        with pytest.raises(QueryError, match="no word"):
            engine.explain(hit.photo_id, "type:jpg")
    expected = explain_file(Path(hit.path), SENTENCE, weights=weights, device="cpu").explanation
    assert found.words == expected.words == SENTENCE.split()
    assert found.maps.shape == expected.maps.shape
    assert np.corrcoef(found.maps.ravel(), expected.maps.ravel())[0, 1] > 0.9  # what is stored is int8


@pytest.mark.parametrize(
    ("name", "sentence", "message"),
    [
        ("nowhere.jpg", SENTENCE, "is not a file"),
        ("broken.jpg", SENTENCE, "cannot be read as a photo: (not a photo|damaged)"),
        ("scene 05.jpg", "?!", "no word"),
    ],
)
def test_what_cannot_be_explained_is_said(photos: Path, weights: Path, name: str, sentence: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        explain_file(photos / name, sentence, weights=weights, device="cpu")


@pytest.mark.parametrize("method", METHODS)
def test_each_method_gives_every_word_a_map(photos: Path, tmp_path: Path, method: Method) -> None:
    weights = write_weights(tmp_path, seed=0, layers=3)

    def maps(sentence: str) -> NDArray[np.float32]:
        found = explain_file(photos / "scene 05.jpg", sentence, weights=weights, device="cpu", method=method)
        assert found.explanation.maps.min() == 0.0
        assert found.explanation.maps.max() == pytest.approx(1.0)
        return found.explanation.maps

    assert maps(SENTENCE).shape == (len(SENTENCE.split()), 3, 3)
    assert not np.allclose(maps("red circle"), maps("blue square"))


def test_one_layer_or_one_head_is_not_the_mean_of_all(photos: Path, weights: Path) -> None:
    def overall(layer: int | None = None, head: int | None = None) -> NDArray[np.float32]:
        found = explain_file(photos / "scene 05.jpg", SENTENCE, weights=weights, device="cpu", layer=layer, head=head)
        return found.explanation.overall

    assert np.allclose(overall(), overall(layer=1)), "the only one in which words see pixels"
    assert not np.allclose(overall(head=1), overall(head=2))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"layer": 2}, "there is no layer 2: choose one from 1 to 1"),
        ({"head": 0}, "there is no head 0: choose one from 1 to 2"),
        ({"method": "rollout", "head": 1}, "rollout combines all layers and heads"),
    ],
)
def test_a_layer_or_head_that_cannot_be_shown_is_said(
    photos: Path, weights: Path, chosen: dict[str, Any], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        explain_file(photos / "scene 05.jpg", SENTENCE, weights=weights, device="cpu", **chosen)


@pytest.mark.parametrize(("size", "columns"), [((90, 60), 3), ((300, 20), 1), ((20, 300), 5)])
def test_a_page_has_a_panel_for_the_photo_and_one_for_each_word(size: tuple[int, int], columns: int) -> None:
    words = ["A", "café", "Donaudampfschifffahrtsgesellschaftskapitän", "in", "the", "snow"]
    random = np.random.default_rng(0)
    maps, grey = random.random((len(words), 2, 3), dtype=np.float32), Image.new("RGB", size, (128, 128, 128))
    explanation = Explanation(words, maps, maps[0], np.zeros(len(words), dtype=np.float32))
    page = draw_panels(ExplainedFile(explanation, 0.5, grey), " ".join(words))
    colours = np.asarray(page)
    plain = (colours == 128).all(-1)
    left, right = (plain.any(0).nonzero()[0][edge] for edge in (0, -1))
    assert plain[:, left : right + 1].sum() >= 0.9 * 320 * 320 * min(size) / max(size), "the photo itself, unlit"
    assert (page.width - 12) // max(12 + round(320 * size[0] / max(size)), 172) == columns
    dark, lit = (np.abs(colours.astype(int) - level).sum(-1) < 60 for level in ((32, 44, 77), (192, 175, 90)))
    assert dark.any()
    assert lit.any()


def test_heat_darkens_what_nobody_looks_at_and_lights_up_what_is_looked_at_most() -> None:
    photo = Image.new("RGB", (60, 40), (120, 120, 120))
    heated = photo.copy()
    heated.paste(hot := heat(np.array([[0.0, 0.5, 1.0]], dtype=np.float32), photo.size), mask=hot)
    pixels = np.asarray(heated, dtype=np.int64)
    away, somewhat, there = (int(pixels[20, column].mean()) for column in (0, 30, 59))
    assert 0 < away < 60, "dark, and still to be seen"
    assert abs(somewhat - 120) < 10
    assert 130 < there < 220
    red, _, blue = pixels[20, 59].tolist()
    assert red > blue + 50, "yellow against blue: told apart by everyone"
