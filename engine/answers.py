"""What the model has learned beside search: to answer questions about a photo."""

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
    """One answer that the model can give."""

    answer: str
    probability: float
    """How likely it is right, 0 to 1; those of all answers are 1 together. Fitted on dev photos."""


@dataclass(frozen=True)
class Answers:
    """The likeliest answers to a question, best first."""

    question: str
    answers: list[Answer]
    cutoff: float
    """The probability of the first answer below which the model does not know, as chosen on dev photos."""

    @property
    def known(self) -> bool:
        """Whether the first answer is to be believed."""
        return self.answers[0].probability >= self.cutoff

    def to_json(self) -> dict[str, Any]:
        """The answers as command line and HTTP interface print them."""
        return {
            "question": self.question,
            "known": self.known,
            "cutoff": round(self.cutoff, 4),
            "answers": [{"answer": one.answer, "probability": round(one.probability, 4)} for one in self.answers],
        }


def ask(model: TrainedModel, question: str, pixel_features: NDArray[np.float32], top: int) -> Answers:
    """The `top` answers to a question about the photo with these pixel features (P, D).

    Raises QueryError when there is no word in the question, and WeightsError when `model` has not learned to answer.
    """
    question = _said(model, question, "question")
    if top < 1:
        raise QueryError(f"at least 1 answer can be asked for, not {top}.")
    head, runtime = model.head("vqa"), model.runtime
    (logits,) = runtime.classify(head, runtime.encode_text([question]), [pixel_features])
    probabilities = head.probabilities(logits)
    best = np.argsort(-probabilities, kind="stable")[:top].tolist()
    return Answers(question, [Answer(head.labels[row], float(probabilities[row])) for row in best], head.cutoff)


def ask_file(
    path: Path, question: str, *, top: int = 5, weights: str | Path = DEFAULT, device: str = "auto"
) -> Answers:
    """Answer a question about the photo at `path`. It need not be in a library, and nothing is stored.

    Raises QueryError when the file cannot be read as a photo too.
    """
    model = TrainedModel(weights, device=device)
    model.head("vqa")  # before the photo is decoded
    return ask(model, question, _features(model, path), top)


def _said(model: TrainedModel, sentence: str, what: str) -> str:
    text = checked_text(sentence)
    if not model.processor.words(text):
        raise QueryError(f"there is no word in the {what}.")
    return text


def _features(model: TrainedModel, path: Path) -> NDArray[np.float32]:
    from engine.files import read_file  # slow to import, and needless for a photo of the library

    return model.runtime.encode_image([read_file(path, model.processor).picture.pixels]).pixel_features[0]
