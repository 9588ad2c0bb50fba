"""Questions about a photo, in a library and outside."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.answers import ask_file
from engine.errors import QueryError
from engine.search import SearchEngine
from engine.sentences import MAX_CHARACTERS
from indexer.library.errors import PhotoMissing
from model.weights import WeightsError
from tests.engine.libraries import SENTENCE
from tests.model.heads import ANSWERS, add_head

QUESTION = "is the circle red?"


def test_the_likeliest_answers_come_first(photos: Path, weights: Path) -> None:
    answers = ask_file(photos / "scene 05.jpg", f"  {QUESTION} ", weights=weights, device="cpu")
    assert answers.question == QUESTION
    chances = [answer.probability for answer in answers.answers]
    assert chances == sorted(chances, reverse=True)
    assert len({answer.answer for answer in answers.answers} & {*ANSWERS}) == 5
    assert answers.known
    two = ask_file(photos / "scene 05.jpg", QUESTION, top=2, weights=weights, device="cpu")
    assert two.answers == answers.answers[:2]


def test_below_the_cutoff_the_model_does_not_know(photos: Path, weights: Path, tmp_path: Path) -> None:
    unsure = shutil.copytree(weights, tmp_path / "unsure")
    add_head(unsure, "vqa", cutoff=1.0)
    answers = ask_file(photos / "scene 05.jpg", QUESTION, weights=unsure, device="cpu")
    assert not answers.known
    assert answers.to_json()["known"] is False


def test_a_photo_of_the_library_answers_by_what_is_stored_of_it(indexed: Path, weights: Path) -> None:
    with SearchEngine.open(indexed, weights=weights, device="cpu") as engine:
        (hit,) = engine.search(f"{SENTENCE} type:jpg", limit=1).hits
        assert engine.can_answer()
        answers = engine.ask(hit.photo_id, QUESTION)
        with pytest.raises(PhotoMissing):
            engine.ask(10**6, QUESTION)
    expected = ask_file(Path(hit.path), QUESTION, weights=weights, device="cpu")
    assert answers.answers[0].answer == expected.answers[0].answer
    assert answers.answers[0].probability == pytest.approx(expected.answers[0].probability, abs=0.05)  # stored as int8


def test_weights_that_have_not_learned_to_answer_say_so(indexed: Path, weights: Path, tmp_path: Path) -> None:
    silent = shutil.copytree(weights, tmp_path / "silent", ignore=shutil.ignore_patterns("vqa.*"))
    with SearchEngine.open(indexed, weights=silent, device="cpu") as engine:
        assert not engine.can_answer()
        (hit,) = engine.search(SENTENCE, limit=1).hits
        with pytest.raises(WeightsError, match="no head for vqa"):
            engine.ask(hit.photo_id, QUESTION)


@pytest.mark.parametrize(
    ("name", "question", "message"),
    [
        ("nowhere.jpg", QUESTION, "is not a file"),
        ("broken.jpg", QUESTION, "cannot be read as a photo"),
        ("scene 05.jpg", " ?! ", "no word in the question"),
        ("scene 05.jpg", "a" * (MAX_CHARACTERS + 1), "characters"),
        ("scene 05.jpg", "\udc80", "not valid Unicode"),
    ],
)
def test_what_cannot_be_answered_is_said(photos: Path, weights: Path, name: str, question: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        ask_file(photos / name, question, weights=weights, device="cpu")
