"""Why a photo matched: what its words say for it, where they are seen, and pictures of that."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from engine.errors import QueryError
from engine.explain import (
    MIN_MAP_ODDS,
    ExplainedFile,
    Explanation,
    Strength,
    WordEvidence,
    explain_file,
    heat,
    with_attention,
    with_maps,
    word_evidence,
)
from engine.panels import draw_panels
from engine.search import SearchEngine
from indexer.library.errors import PhotoMissing
from model.image_processor import PixelBertImageProcessor
from model.processor import SPECIAL_TOKENS, PixelBertProcessor, wordpiece_tokenizer
from model.scoring.word_detectors import WordDetectors
from tests.engine.libraries import SENTENCE, index
from tests.indexer.colour_runtime import ColourRuntime


class Quarters(PixelBertImageProcessor):
    def grid(self, width: int, height: int, count: int) -> tuple[int, int]:
        return 2, 2


def two_colours() -> NDArray[np.uint8]:
    """Red at the top left, blue at the bottom right, black elsewhere."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :32] = 255, 0, 0
    pixels[32:, 32:] = 0, 0, 255
    return pixels


def test_a_word_is_seen_where_its_colour_is() -> None:
    runtime, pixels = ColourRuntime(), two_colours()
    vocabulary = {token: row for row, token in enumerate((*SPECIAL_TOKENS, "red", "blue", "dog"))}
    processor = PixelBertProcessor(Quarters(image_size=64), wordpiece_tokenizer(vocabulary))
    cells = runtime.cells(pixels)
    weights = np.stack([8 * cells[0], 8 * cells[3]])  # of the channels that red and blue are
    detectors = WordDetectors(np.array([vocabulary["red"], vocabulary["blue"]]), weights, *np.zeros((2, 2), np.float32))
    detected = detectors.detect(runtime.encode_image([pixels]).pooled_features)
    words = word_evidence(processor, "red dog blue", detected)
    assert [word.map for word in words] == [None] * 3
    red, dog, blue = with_maps(words, processor, "red dog blue", detectors, cells, (64, 64))
    assert (red.map is None, dog.map is None, blue.map is None) == (False, True, False)
    assert red.map is not None
    assert blue.map is not None
    assert red.map.shape == (2, 2)
    assert [int(word.map.argmax()) for word in (red, blue) if word.map is not None] == [0, 3]
    assert (red.map.min(), red.map.max()) == (0.0, 1.0)
    assert (red.strength, dog.strength, dog.log_odds) == ("strong", "none", 0.0)


def test_attention_looks_where_the_colour_of_a_word_is() -> None:
    class SplitAtSpaces(PixelBertProcessor):
        def words(self, sentence: str) -> list[tuple[str, range]]:
            return [(word, range(row, row + 1)) for row, word in enumerate(sentence.split())]

    runtime = ColourRuntime()
    (features,) = runtime.encode_image([two_colours()]).pixel_features
    tokenizer = wordpiece_tokenizer({token: row for row, token in enumerate(SPECIAL_TOKENS)})
    processor = SplitAtSpaces(Quarters(image_size=64), tokenizer)
    words = [WordEvidence("red", 0.0), WordEvidence("blue", 0.0)]
    red, blue = with_attention(words, runtime, processor, "red blue", features, (64, 64))
    assert red.map is not None
    assert blue.map is not None
    assert red.map.shape == (2, 2)
    assert [int(word.map.argmax()) for word in (red, blue) if word.map is not None] == [0, 3]


@pytest.mark.parametrize(
    ("odds", "text", "strength", "shown"),
    [
        (1e9, "999+", "strong", True),
        (MIN_MAP_ODDS * 1.01, "20", "strong", True),
        (11.2, "11", "strong", False),
        (2.34, "2.3", "weak", False),
        (1.4, "1.4", "none", False),
        (1.0, "1", "none", False),
        (0.7, "0.7", "none", False),
        (0.25, "0.25", "against", False),
        (1e-9, "0.001", "against", False),
    ],
)
def test_the_odds_of_a_word_are_said_in_few_digits(odds: float, text: str, strength: Strength, shown: bool) -> None:
    word = WordEvidence("dog", math.log(odds))
    assert (word.odds, word.strength, word.can_be_shown) == (text, strength, shown)


def test_each_word_says_how_much_it_speaks_for_the_photo(indexed: Path, word_weights: Path) -> None:
    with SearchEngine.open(indexed, weights=word_weights, device="cpu") as engine:
        (hit,) = engine.search(SENTENCE, limit=1).hits
        words = engine.word_evidence(hit.photo_id, SENTENCE)
        found = engine.explain(hit.photo_id, SENTENCE)
    assert [word.word for word in words] == SENTENCE.split()
    expected = {"a": 0.0, "red": 6.0, "circle": 1.0, "and": 0.0, "blue": -2.0, "square": 4.0}
    first = {word.word: word.log_odds for word in reversed(words)}
    assert {word: round(log_odds) for word, log_odds in first.items()} == expected
    assert words[4].log_odds == 0.0, "the second a counts once, as in the score"
    assert [word.log_odds for word in found.words] == [word.log_odds for word in words]
    assert [word.word for word in found.words if word.map is not None] == ["red", "square"]
    assert all(word.map.shape == (3, 3) for word in found.words if word.map is not None)
    assert found.match == pytest.approx(hit.match)


def test_without_detectors_no_word_is_evidence(indexed: Path, weights: Path) -> None:
    with SearchEngine.open(indexed, weights=weights, device="cpu") as engine:
        (hit,) = engine.search(SENTENCE, limit=1).hits
        found = engine.explain(hit.photo_id, SENTENCE)
    assert {(word.log_odds, word.strength, word.map) for word in found.words} == {(0.0, "none", None)}


def change(file: Path) -> None:
    Image.new("RGB", (96, 96), (10, 200, 10)).save(file)


def damage(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])


@pytest.mark.parametrize("lose", [Path.unlink, change, damage])
def test_a_photo_whose_file_is_gone_or_another_has_odds_but_no_map(
    tmp_path: Path, photos: Path, word_weights: Path, lose: Any
) -> None:
    copy = Path(shutil.copytree(photos, tmp_path / "photos"))
    index(tmp_path / "library", copy, word_weights)
    with SearchEngine.open(tmp_path / "library", weights=word_weights, device="cpu") as engine:
        hit = engine.search(f"{SENTENCE} type:jpg", limit=1).hits[0]
        before = engine.explain(hit.photo_id, "red")
        lose(Path(hit.path))
        after = engine.explain(hit.photo_id, "red")
    assert before.words[0].map is not None
    assert after.words[0].map is None
    assert after.words[0].log_odds == before.words[0].log_odds
    assert after.match == before.match


def test_an_explanation_is_printed_in_few_digits() -> None:
    found = Explanation("red", 1 / 3, [WordEvidence("red", 10 / 3, np.full((1, 2), 2 / 3, dtype=np.float32))])
    expected = {"word": "red", "evidence": 3.333, "map": [[0.667, 0.667]]}
    assert found.to_json() == {"sentence": "red", "match": 0.3333, "words": [expected]}


def test_a_file_outside_any_library_is_explained_in_its_own_shape(word_weights: Path, tmp_path: Path) -> None:
    Image.effect_noise((300, 100), 80).convert("RGB").save(tmp_path / "wide.png")
    found = explain_file(tmp_path / "wide.png", f"{SENTENCE}, please!", weights=word_weights, device="cpu")
    assert [word.word for word in found.explanation.words] == [*SENTENCE.split(), "please"]
    assert [word.word for word in found.explanation.words if word.map is not None] == ["red", "square"]
    assert 0.0 < found.explanation.match < 1.0
    assert found.photo.size == (96, 32)


def test_a_photo_of_the_library_is_explained_like_its_file(indexed: Path, word_weights: Path) -> None:
    with SearchEngine.open(indexed, weights=word_weights, device="cpu") as engine:
        (hit,) = engine.search(f"{SENTENCE} type:jpg", limit=1).hits
        found = engine.explain(hit.photo_id, f"{SENTENCE} -dog type:jpg")
        for ask in (engine.explain, engine.word_evidence):
            with pytest.raises(PhotoMissing):
                ask(10**6, SENTENCE)
            with pytest.raises(QueryError, match="no word"):
                ask(hit.photo_id, "type:jpg")
    expected = explain_file(Path(hit.path), SENTENCE, weights=word_weights, device="cpu").explanation
    assert found.sentence == expected.sentence == SENTENCE
    for ours, theirs in zip(found.words, expected.words, strict=True):
        assert ours.log_odds == pytest.approx(theirs.log_odds, abs=0.02), "what is stored is int8"
        assert (ours.map is None) == (theirs.map is None)
        if ours.map is not None and theirs.map is not None:
            assert np.array_equal(ours.map, theirs.map), "maps are computed from the file"


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


def attention(photos: Path, weights: Path, **chosen: Any) -> NDArray[np.float32]:
    """(W, h, w)"""
    file = photos / "scene 05.jpg"
    found = explain_file(file, SENTENCE, weights=weights, device="cpu", method="attention", **chosen)
    maps = [word.map for word in found.explanation.words if word.map is not None]
    assert len(maps) == len(SENTENCE.split()), "each word has one"
    return np.stack(maps)


def test_one_layer_or_one_head_is_not_the_mean_of_all(photos: Path, weights: Path) -> None:
    every = attention(photos, weights)
    assert every.shape == (len(SENTENCE.split()), 3, 3)
    assert (every.min(), every.max()) == (0.0, pytest.approx(1.0))
    assert np.allclose(every, attention(photos, weights, layer=1)), "the only one in which words see pixels"
    assert not np.allclose(attention(photos, weights, head=1), attention(photos, weights, head=2))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"layer": 2}, "there is no layer 2: choose one from 1 to 1"),
        ({"head": 0}, "there is no head 0: choose one from 1 to 2"),
    ],
)
def test_a_layer_or_head_that_cannot_be_shown_is_said(
    photos: Path, weights: Path, chosen: dict[str, Any], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        attention(photos, weights, **chosen)


@pytest.mark.parametrize(("size", "columns"), [((90, 60), 3), ((300, 20), 1), ((20, 300), 5)])
def test_a_page_has_a_panel_for_the_photo_and_one_for_each_word_with_a_map(size: tuple[int, int], columns: int) -> None:
    names = ["A", "café", "Donaudampfschifffahrtsgesellschaftskapitän", "in", "the", "snow"]
    random = np.random.default_rng(0)
    words = [WordEvidence(name, 4.0, random.random((2, 3), dtype=np.float32)) for name in names]
    words.append(WordEvidence("dog", 0.0))
    grey = Image.new("RGB", size, (128, 128, 128))
    page = draw_panels(ExplainedFile(Explanation(" ".join(names), 0.5, words), grey))
    colours = np.asarray(page)
    plain = (colours == 128).all(-1)
    left, right = (plain.any(0).nonzero()[0][edge] for edge in (0, -1))
    assert plain[:, left : right + 1].sum() >= 0.9 * 320 * 320 * min(size) / max(size), "the photo itself, unlit"
    assert (page.width - 12) // max(12 + round(320 * size[0] / max(size)), 172) == columns
    dark, lit = (np.abs(colours.astype(int) - level).sum(-1) < 60 for level in ((32, 44, 77), (192, 175, 90)))
    assert dark.any()
    assert lit.any()


def test_a_page_without_maps_is_the_photo_and_what_the_words_say() -> None:
    grey = Image.new("RGB", (90, 60), (128, 128, 128))
    page = draw_panels(ExplainedFile(Explanation("a dog", 0.5, [WordEvidence("dog", 1.0)]), grey))
    assert page.width < 2 * 320


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
