"""Answers to questions: the VQA challenge's accuracy, worked by hand, and the answers a model can give."""

from __future__ import annotations

import numpy as np
import pytest

from model.data.shards import Question
from model.tasks.answers import (
    accuracy,
    frequent_answers,
    frequent_by_type,
    normalised,
    question_type,
    soft_scores,
    targets,
)


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        ("The two dogs.", "2 dogs"),
        ("None", "0"),
        ("an  apple\n", "apple"),
        ("dont know", "don't know"),
        ("couldnt've", "couldn't've"),
        ("they'll", "they'll"),
        ("1,000", "1000"),
        ("2.5", "2.5"),
        ("yes!", "yes"),
        ("black/white", "black white"),
        ("t-shirt", "t shirt"),
        ("10:30 A.M.", "10:30 am"),
        ("it's", "it's"),
        ("a", ""),
    ],
)
def test_answers_are_alike_but_for_what_makes_no_difference(answer: str, plain: str) -> None:
    assert normalised(answer) == plain
    assert normalised(plain) == plain


@pytest.mark.parametrize(
    ("given", "people", "right"),
    [
        # Nobody, or everybody, said so.
        ("cat", ["dog"] * 10, 0.0),
        ("dog", ["dog"] * 10, 1.0),
        # One of ten: left out once, so that nobody else said it; 9 times 1/3.
        ("cat", ["cat"] + ["dog"] * 9, 0.3),
        # Two: twice 1/3, 8 times 2/3.
        ("cat", ["cat"] * 2 + ["dog"] * 8, 0.6),
        # Three: three times 2/3, 7 times 1.
        ("cat", ["cat"] * 3 + ["dog"] * 7, 0.9),
        # Four are enough, whoever is left out.
        ("cat", ["cat"] * 4 + ["dog"] * 6, 1.0),
        # Two said it in one way and two in another.
        ("2", ["two", "Two", "2", "the 2"] + ["3"] * 6, 1.0),
        # One person was asked.
        ("a red bus", ["red bus"], 1.0),
        ("bus", ["red bus"], 0.0),
    ],
)
def test_an_answer_is_as_right_as_people_agree_with_it(given: str, people: list[str], right: float) -> None:
    assert accuracy(given, people) == pytest.approx(right)


def test_soft_scores_are_what_a_model_learns_from() -> None:
    found = soft_scores(["yes"] * 7 + ["Yes.", "no", "maybe"])
    assert found == {"yes": 1.0, "no": pytest.approx(1 / 3), "maybe": pytest.approx(1 / 3)}
    assert soft_scores(["red"]) == {"red": 1.0}


QUESTIONS = [
    Question("What color is the bus?", ("red",) * 10),
    Question("What color is the car?", ("red",)),
    Question("What color is the sky?", ("blue",) * 8 + ("grey", "the")),
    Question("How many dogs are there?", ("2",) * 9 + ("3",)),
    Question("Is it cold?", ("yes",) * 10),
]


def test_the_answers_a_model_can_give_are_those_most_questions_have() -> None:
    assert frequent_answers(QUESTIONS, 2) == ["red", "2"]
    assert frequent_answers(QUESTIONS, 99, least=1) == ["red", "2", "blue", "yes"]
    wanted = targets(QUESTIONS, ["red", "grey", "yes"])
    assert wanted.dtype == np.float32
    assert wanted.round(2).tolist() == [[1, 0, 0], [1, 0, 0], [0, np.float32(0.33), 0], [0, 0, 0], [0, 0, 1]]


def test_questions_of_one_type_begin_alike_and_have_a_most_frequent_answer() -> None:
    assert question_type("  What colour  is it?") == "what color"
    assert question_type("How many people are there?") == "how many"
    assert question_type("Island or sea?") == ""
    frequent = frequent_by_type(QUESTIONS)
    assert frequent == {"what color": "red", "how many": "2", "is it": "yes", "": "red"}
