"""What a search says about its sentence: words that were never learned, other languages, nothing like that here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.search import SearchEngine
from indexer.library.library import Library
from model.bundle import TrainedModel
from model.scoring.absence import AbsenceRule
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.vocabulary import Vocabulary
from model.scoring.word_detectors import WordDetectors
from tests.engine.libraries import index
from tests.model.scenes import caption, scenes

LEARNED = Vocabulary.of([caption(scene)] * 2 for scene in scenes())
ALL_GOOD = Calibration(match_scale=0.0, match_bias=1.0)
"""Every photo has the same match, above one half."""


def parameters_of(weights: Path, rule: AbsenceRule) -> ScoringParameters:
    """With detectors that hold `circle` for certain in every photo, and `square` for hardly possible."""
    model = TrainedModel(weights)
    pieces = {word: int(model.processor.tokenize([word])["input_ids"][0][1]) for word in ("circle", "square")}
    width = model.runtime.encode_image([np.zeros((96, 96, 3), dtype=np.uint8)]).pooled_features.shape[1]
    biases = {pieces["circle"]: 8.0, pieces["square"]: -8.0}
    ids = sorted(biases)
    detectors = WordDetectors(
        np.array(ids),
        np.zeros((2, width), dtype=np.float32),
        np.array([biases[piece] for piece in ids], dtype=np.float32),
        np.zeros(2, dtype=np.float32),
    )
    return ScoringParameters(ALL_GOOD, detectors=detectors, vocabulary=LEARNED, absence=rule)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, weights: Path, photos: Path) -> Path:
    """Weights that know what they have learned, and beside them a library of theirs."""
    folder = tmp_path_factory.mktemp("hints")
    made = shutil.copytree(weights, folder / "weights")
    parameters_of(made, AbsenceRule(-5.0)).save(made, TrainedModel(made).generation)
    index(folder / "library", photos, made)
    return folder


@pytest.fixture
def engine(folder: Path, tmp_path: Path) -> Iterator[SearchEngine]:
    shutil.copytree(folder / "library", tmp_path / "library")
    with SearchEngine.open(tmp_path / "library", weights=folder / "weights") as engine:
        yield engine


def kinds(engine: SearchEngine, query: str) -> list[str]:
    return [hint.kind for hint in engine.search(query).hints]


@pytest.mark.parametrize("query", ["a red circle", "red circles", "the circle", "circle taken:1999"])
def test_a_sentence_of_learned_words_needs_no_hint(engine: SearchEngine, query: str) -> None:
    assert not {"absent", "unknown_words", "not_english"} & set(kinds(engine, query))


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("iguana", ["iguana"]),
        ("an iguana with a xylophone", ["iguana", "xylophone"]),
        ("asdkjh qwe", ["asdkjh", "qwe"]),
        ("iguana iguana", ["iguana"]),
    ],
)
def test_words_that_were_never_learned_are_named_and_nothing_is_called_good(
    engine: SearchEngine, query: str, named: list[str]
) -> None:
    result = engine.search(query)
    (hint,) = result.hints
    assert hint.kind == "unknown_words"
    assert hint.text.split('"')[1::2] == named
    assert result.line == 0
    assert result.hits, "the nearest photos are shown all the same"


def test_beside_learned_words_an_unknown_one_is_only_named(engine: SearchEngine) -> None:
    result = engine.search("a red circle and an iguana")
    assert [hint.kind for hint in result.hints] == ["unknown_words"]
    assert result.line > 0


@pytest.mark.parametrize(
    "query",
    [
        "ein roter Kreis und ein Hund",
        "un perro en la playa",
        "一只狗在海滩上",
        "собака на пляже",
        "🐶",
        "🏖️ 🎉",
        "12345",
        "???",
    ],
)
def test_what_is_not_english_gets_a_hint_of_its_own(engine: SearchEngine, query: str) -> None:
    result = engine.search(query)
    assert [hint.kind for hint in result.hints] == ["not_english"]
    assert result.line == 0


@pytest.mark.parametrize("tag", ["Rex", "日落", "🐶", "Großmutter"])
def test_what_people_have_written_in_the_library_is_understood(
    tmp_path: Path, photos: Path, engine: SearchEngine, tag: str
) -> None:
    assert kinds(engine, tag)
    with Library.open(tmp_path / "library") as library:
        library.annotate(library.photo_at(photos / "scene 03.jpg").id, caption=None, tags=[tag])
    assert kinds(engine, tag) == []


def test_where_a_word_has_no_evidence_in_any_photo_nothing_is_called_good(engine: SearchEngine) -> None:
    result = engine.search("a red circle and a blue square")
    assert [hint.kind for hint in result.hints] == ["absent"]
    assert result.line == 0
    assert result.absence == result.hints[0].text


def test_a_rule_that_was_never_fitted_calls_nothing_absent(folder: Path, tmp_path: Path, photos: Path) -> None:
    made = shutil.copytree(folder / "weights", tmp_path / "weights")
    parameters_of(made, AbsenceRule()).save(made, TrainedModel(made).generation)
    index(tmp_path / "library", photos, made)
    with SearchEngine.open(tmp_path / "library", weights=made) as engine:
        assert kinds(engine, "a blue square") == []


def test_weights_that_do_not_know_what_they_have_learned_give_no_hints(library: Path, weights: Path) -> None:
    with SearchEngine.open(library, weights=weights) as engine:
        for query in ("iguana", "ein Hund", "🐶"):
            assert kinds(engine, query) == []


def test_a_search_without_words_has_no_hint_about_them(engine: SearchEngine) -> None:
    assert kinds(engine, "type:jpg") == []


def test_excluded_words_and_filters_are_no_part_of_the_sentence(engine: SearchEngine) -> None:
    assert kinds(engine, "red circle -iguana type:jpg") == []


@pytest.mark.parametrize("words", ["ein hund im schnee", "🐕", "iguana", "a square"])
def test_where_no_photo_passes_the_filters_that_is_said_beside_the_hint_about_the_words(
    engine: SearchEngine, words: str
) -> None:
    result = engine.search(f"{words} taken:1900")
    assert result.hits == []
    assert ("filters", words) in [(hint.kind, hint.query) for hint in result.hints]
