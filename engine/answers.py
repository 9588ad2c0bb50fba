"""Answers to questions about a photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import QueryError
from engine.sentences import checked_text
from model.bundle import TrainedModel
from model.weights import DEFAULT


@dataclass(frozen=True)
class Answer:
    """One possible answer."""

    answer: str
    probability: float
    """Calibrated probability that it is right, 0 to 1. Over all answers they sum to 1."""


@dataclass(frozen=True)
class Answers:
    """The most probable answers to a question, best first."""

    question: str
    answers: list[Answer]
    cutoff: float
    """Where the first answer is less probable, the model does not know. Chosen on dev photos."""

    @property
    def known(self) -> bool:
        """Whether the first answer is probable enough."""
        return self.answers[0].probability >= self.cutoff

    def to_json(self) -> dict[str, Any]:
        """The answers as the command line and the API print them."""
        return {
            "question": self.question,
            "known": self.known,
            "cutoff": round(self.cutoff, 4),
            "answers": [
                {"answer": answer.answer, "probability": round(answer.probability, 4)} for answer in self.answers
            ],
        }


def ask(model: TrainedModel, question: str, pixel_features: NDArray[np.float32], top: int) -> Answers:
    """The `top` answers to a question about the photo with these pixel features (P, D).

    Raises QueryError where there is no word in the question, and WeightsError where `model` has no head for questions.
    """
    question = _require_words(model, question)
    if top < 1:
        raise QueryError(f"at least 1 answer can be asked for, not {top}.")
    head, runtime = model.head("vqa"), model.runtime
    (logits,) = runtime.classify(head, runtime.encode_text([question]), [pixel_features])
    probabilities = head.probabilities(logits)
    best = np.argsort(-probabilities, kind="stable")[:top].tolist()
    return Answers(question, [Answer(head.labels[row], float(probabilities[row])) for row in best], head.cutoff)


def ask_file(
    path: str | Path, question: str, *, top: int = 5, weights: str | Path = DEFAULT, device: str = "auto"
) -> Answers:
    """Answer a question about the photo at `path`. It need not be in a library, and nothing is stored.

    Raises what `ask` does, and QueryError where the file cannot be read as a photo.
    """
    model = TrainedModel(weights, device=device)
    model.head("vqa")  # fails before the photo is decoded
    return ask(model, question, _features(model, path), top)


def _require_words(model: TrainedModel, question: str) -> str:
    """The question without white space around it. Raises QueryError where it has no word."""
    text = checked_text(question)
    if not model.processor.words(text):
        raise QueryError("there is no word in the question.")
    return text


def _features(model: TrainedModel, path: str | Path) -> NDArray[np.float32]:
    from engine.files import read_file  # slow to import; a photo of the library does not need it

    pixels = read_file(Path(path), model.processor.image_processor).picture.pixels
    return model.runtime.encode_image([pixels]).pixel_features[0]
