"""Requests and responses about what a photo shows: explanations and answers to questions."""

from __future__ import annotations

import math

from pydantic import Field

from engine.explain import MIN_MAP_ODDS
from engine.sentences import MAX_CHARACTERS
from web.schema.base import MAX_LIMIT, RequestModel, ResponseModel


class ExplainRequest(RequestModel):
    """The sentence that a photo is compared with."""

    q: str = Field(
        min_length=1,
        max_length=MAX_CHARACTERS,
        examples=["a dog on the beach"],
        description="The sentence, in English.",
    )


class HeatRequest(ExplainRequest):
    """Which word of the sentence to show."""

    word: int = Field(ge=0, examples=[1], description="Index of the word in `words`, from 0.")


class WordAnswer(ResponseModel):
    """A word, how much evidence for the photo it is, and where in the photo it is seen."""

    word: str
    evidence: float = Field(
        description="Log-odds ratio: how much likelier people use the word for this photo than for any photo. 0 for a "
        "word that the model has not learned."
    )
    map: list[list[float]] | None = Field(
        description="Rows of a grid over the photo, 0 to 1: where the word is seen. Null where the evidence is below "
        f"{math.log(MIN_MAP_ODDS):.1f} ({MIN_MAP_ODDS:g} times the usual odds), or the photo's file cannot be read."
    )


class ExplainAnswer(ResponseModel):
    """Why a photo matches a sentence: what `pixelseek explain --json` prints."""

    sentence: str
    match: float = Field(description="Match of the sentence alone: excluded terms and annotations are left out.")
    words: list[WordAnswer] = Field(description="As they stand in the sentence; only those that the model reads.")


class AskRequest(RequestModel):
    """A question about a photo, and how many answers to return."""

    q: str = Field(
        min_length=1,
        max_length=MAX_CHARACTERS,
        examples=["how many dogs are there?"],
        description="The question, in English.",
    )
    top: int = Field(5, ge=1, le=MAX_LIMIT, description="How many answers to return.")


class OneAnswer(ResponseModel):
    """One possible answer."""

    answer: str
    probability: float = Field(description="How likely it is right, 0 to 1.")


class AskAnswer(ResponseModel):
    """The likeliest answers to a question about a photo, best first."""

    question: str
    known: bool = Field(description="False where the first answer is less likely than the cutoff.")
    cutoff: float = Field(description="The probability below which the model does not know the answer.")
    answers: list[OneAnswer]
