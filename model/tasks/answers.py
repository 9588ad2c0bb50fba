"""Answers to questions about photos: when two are the same, how accurate an answer is, and which a model can give.

As the VQA challenge counts (Antol et al. 2015, visualqa.org/evaluation): ten people answered each question, and an
answer is right that three of them gave.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from model.data.shards import Question

_ENOUGH = 3  # people who say so make an answer right
_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBERS)} | {"none": "0"}
_ARTICLES = {"a", "an", "the"}
_MARKS = ';/[]"{}()=+\\_-><@`,?!'  # neither the apostrophe nor the colon
_SHORT_FORMS = re.findall(
    r"\S+",
    """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
    he's how'd how'll how's i'd've i'm i've isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've
    needn't not've o'clock oughtn't shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll
    somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd
    there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll
    what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't
    would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
    """,
)
# Each is also meant where one of its apostrophes was left out.
_APOSTROPHES = {
    form[: mark.start()] + form[mark.end() :]: form for form in _SHORT_FORMS for mark in re.finditer("'", form)
}


def normalised(answer: str) -> str:
    """An answer in a normal form, without differences of case, articles, punctuation, number words and apostrophes.

    `The two dogs.` is `2 dogs`, `dont` is `don't`, `1,000` is `1000`.
    """
    text = " ".join(answer.split())
    number = re.search(r"\d,\d", text) is not None
    for mark in _MARKS:
        joined = number or f"{mark} " in f"{text} " or f" {mark}" in f" {text}"
        text = text.replace(mark, "" if joined else " ")
    words = re.sub(r"\.(?!\d)", "", text).lower().split()
    plain = [_DIGITS.get(word, word) for word in words if word not in _ARTICLES]
    return " ".join(_APOSTROPHES.get(word, word) for word in plain)


def accuracy(answer: str, people: Sequence[str]) -> float:
    """The accuracy of `answer`, 0 to 1, given what `people` answered.

    The mean over leaving out one of them of min(n / 3, 1), n being how many of the others said the same. Where only
    one person was asked, the answer is right when it is theirs: such a question cannot say that others might differ.
    """
    given, answers = normalised(answer), [normalised(other) for other in people]
    if len(answers) == 1:
        return float(given == answers[0])
    same = answers.count(given)
    return fmean(min((same - (other == given)) / _ENOUGH, 1.0) for other in answers)


def soft_scores(people: Sequence[str]) -> dict[str, float]:
    """What to learn from what people answered: for each answer min(1, n / 3); 1 where only one person was asked."""
    enough = min(_ENOUGH, len(people))
    return {answer: min(1.0, count / enough) for answer, count in Counter(map(normalised, people)).items()}


def frequent_answers(questions: Iterable[Question], most: int, least: int = 1) -> list[str]:
    """The up to `most` answers that are right for most questions, and for `least` at least; equal ones by name."""
    counts: dict[str, float] = defaultdict(float)
    for question in questions:
        for answer, score in soft_scores(question.answers).items():
            counts[answer] += score
    counts.pop("", None)
    frequent = sorted(counts, key=lambda answer: (-counts[answer], answer))
    return [answer for answer in frequent if counts[answer] >= least][:most]


def targets(questions: Sequence[Question], answers: Sequence[str]) -> NDArray[np.float32]:
    """The soft scores (Q, A) of `answers` for `questions`."""
    columns = {answer: column for column, answer in enumerate(answers)}
    scores = np.zeros((len(questions), len(answers)), dtype=np.float32)
    for row, question in enumerate(questions):
        for answer, score in soft_scores(question.answers).items():
            if answer in columns:
                scores[row, columns[answer]] = score
    return scores


_KINDS = re.compile(
    r"(how many|how|what (?:colou?r|kind|type|time|sport|animal|room|is|are|does|do|was)|what|which|who|whose|where|"
    r"when|why|is there|are there|is this|are these|is the|are the|is it|is|are|was|were|do|does|did|can|could|"
    r"has|have|will|would|should)\b"
)


def question_type(question: str) -> str:
    """The words that a question begins with and that say what kind of answer it wants; "" where it begins otherwise."""
    kind = _KINDS.match(" ".join(question.lower().split()))
    return kind[1].replace("colour", "color") if kind else ""


def frequent_by_type(questions: Sequence[Question]) -> Mapping[str, str]:
    """The most frequent answer to the questions of each type, and under "" that to all of them."""
    kinds: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        kinds[question_type(question.question)].append(question)
    kinds[""] = list(questions)
    best = {kind: frequent_answers(questions_of_kind, 1) for kind, questions_of_kind in kinds.items()}
    return {kind: answers[0] for kind, answers in best.items() if answers}
