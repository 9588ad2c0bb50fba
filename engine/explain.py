"""Why a photo matches a sentence: how much evidence for it each word is, and where in the photo a word is seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.errors import QueryError
from engine.phrases import Phrase, TaughtName
from engine.query import Query, parse
from model.bundle import TrainedModel
from model.processor import PixelBertProcessor
from model.runtime.protocol import Runtime
from model.scoring.word_detectors import DetectedWords, WordDetectors
from model.weights import DEFAULT

Method = Literal["words", "attention"]
METHODS: tuple[Method, ...] = get_args(Method)
"""What a map shows: the share of each cell in the evidence of a word, or the attention of one layer and head (the mean
of all without them), as in section 4.4 of the paper. Attention does not show where things are."""
MIN_MAP_ODDS = 20.0
"""Only a word whose odds are at least so many times the usual ones has a map: those point to the right half of two
photos in 9 of 10 cases (`benchmarks/pointing.py`), maps of weaker words less often."""
Strength = Literal["strong", "weak", "none", "against"]
STRONG_ODDS, _WEAK_ODDS = 5.0, 1.5

# Dark blue and yellow differ in lightness too, so people with any colour vision can tell them apart.
_LOW_COLOUR, _HIGH_COLOUR = (0, 16, 60), (255, 221, 51)
_EPSILON = 1e-12
_MAX_ODDS = 999.0  # a larger odds ratio has no meaning
_MAX_OPACITY_LOW, _MAX_OPACITY_HIGH = 190, 128  # of 255: the photo below stays visible
_IS_HIGH = [255 * (level > 127) for level in range(256)]
_OPACITY = [
    round(_MAX_OPACITY_HIGH * (level / 127.5 - 1) if level > 127 else _MAX_OPACITY_LOW * (1 - level / 127.5))
    for level in range(256)
]
_NEIGHBOURS = ((-1, 0.25), (0, 0.5), (1, 0.25))  # offset and weight


@dataclass(frozen=True)
class WordEvidence:
    """What a word of a sentence says for a photo."""

    word: str
    """As it stands in the sentence."""
    log_odds: float
    """The log-odds ratio that people use the word for this photo, compared with any photo. 0 for a word that has no
    detector."""
    map: NDArray[np.float32] | None = None
    """(h, w), 0 to 1, a grid over the photo: where the word is seen. None where there is no map of it."""
    is_taught: bool = False
    """Whether it is a word that a person taught this library. Nobody knows where in a photo such a word is seen."""

    @property
    def odds(self) -> str:
        """The odds ratio as text."""
        if self.log_odds > math.log(_MAX_ODDS):
            return f"{_MAX_ODDS:.0f}+"
        ratio = math.exp(max(self.log_odds, -math.log(_MAX_ODDS)))
        return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"

    @property
    def strength(self) -> Strength:
        """How clearly the word speaks for the photo, or against it; `none` also where it says as good as nothing."""
        if abs(self.log_odds) < math.log(_WEAK_ODDS):
            return "none"
        if self.log_odds < 0:
            return "against"
        return "strong" if self.log_odds >= math.log(STRONG_ODDS) else "weak"

    @property
    def can_be_shown(self) -> bool:
        """Whether a map of the word says where it is."""
        return not self.is_taught and self.log_odds >= math.log(MIN_MAP_ODDS)


@dataclass(frozen=True)
class Explanation:
    """Why a photo matches a sentence."""

    sentence: str
    match: float
    """Match of the sentence alone, 0 to 1: excluded terms and annotations, which count in a search, are left out."""
    words: list[WordEvidence]
    """Only those that the model reads."""

    @property
    def is_whole(self) -> bool:
        """Whether each word that can be shown has a map: it has none while the file of the photo cannot be read."""
        return all(word.map is not None for word in self.words if word.can_be_shown)

    def to_json(self) -> dict[str, Any]:
        """The explanation as the command line and the API print it."""
        return {
            "sentence": self.sentence,
            "match": round(self.match, 4),
            "words": [
                {
                    "word": word.word,
                    "evidence": round(word.log_odds, 3),
                    "map": None if word.map is None else [[round(x, 3) for x in row] for row in word.map.tolist()],
                }
                for word in self.words
            ],
        }


@dataclass(frozen=True)
class ExplainedFile:
    """A photo file compared with a sentence."""

    explanation: Explanation
    photo: Image.Image
    """The photo in the resolution that the model sees, and in its own aspect ratio."""


def word_evidence(processor: PixelBertProcessor, sentence: str, detected: DetectedWords) -> list[WordEvidence]:
    """What each word of `sentence` says for a photo, from what the detectors say of it; without maps.

    Raises QueryError where there is no word in the sentence.
    """
    (log_odds,) = detected.per_token(processor.tokenize([sentence])["input_ids"][0])
    return [WordEvidence(word, float(log_odds[span].sum())) for word, span in _spans(processor, sentence)]


def with_maps(
    words: Sequence[WordEvidence],
    processor: PixelBertProcessor,
    sentence: str,
    detectors: WordDetectors,
    cells: NDArray[np.float32],
    size: tuple[int, int],
) -> list[WordEvidence]:
    """The words of `sentence`, with maps of those that can be shown.

    `cells` (P, C) is the CNN's last feature map, `size` width and height of the upright photo in pixels. A map is the
    share of each cell in the log-odds of the word, as far as it is positive, averaged with the cells around it.
    """
    shares = detectors.shares(cells, processor.tokenize([sentence])["input_ids"][0])
    grid = processor.image_processor.grid(*size, len(cells))
    spans = [span for _, span in _spans(processor, sentence)]
    return [
        replace(word, map=_rescaled(np.maximum(_smoothed(shares[span].sum(axis=0).reshape(grid)), 0.0)))
        if word.can_be_shown
        else word
        for word, span in zip(words, spans, strict=True)
    ]


def in_sentence_order(
    phrase: Phrase, others: Sequence[WordEvidence], taught: Sequence[WordEvidence], processor: PixelBertProcessor
) -> list[WordEvidence]:
    """The evidence of all words of a phrase, from that of its taught words and that of the `others`."""
    left, names = list(others), iter(taught)
    words: list[WordEvidence] = []
    for piece in phrase.pieces:
        if isinstance(piece, TaughtName):
            words.append(next(names))
        else:
            count = len(processor.words(piece))
            words += left[:count]
            del left[:count]
    return words


def with_attention(
    words: Sequence[WordEvidence],
    runtime: Runtime,
    processor: PixelBertProcessor,
    sentence: str,
    pixel_features: NDArray[np.float32],
    size: tuple[int, int],
    layer: int | None = None,
    head: int | None = None,
) -> list[WordEvidence]:
    """The words of `sentence`, each with a map of its attention to the pixel features (P, D) of a photo.

    `layer` and `head`, counted from 1, select one cross-modal layer and head; without them the attention is the mean of
    all. A few cells attract every word. So the map of a word shows its attention beyond the mean of all words.

    Raises QueryError where there is no such layer or head.
    """
    (attention,) = runtime.attend(runtime.encode_text([sentence]), [pixel_features])
    for name, number, count in (("layer", layer, attention.shape[0]), ("head", head, attention.shape[1])):
        if number is not None and not 1 <= number <= count:
            raise QueryError(f"there is no {name} {number}: choose one from 1 to {count}.")
    layers, heads = (slice(None) if number is None else [number - 1] for number in (layer, head))
    to_pixels = attention[layers][:, heads].mean(axis=(0, 1))[:, -len(pixel_features) :]
    rows = np.stack([to_pixels[span].mean(axis=0) for _, span in _spans(processor, sentence)])  # (W, P)
    rows /= rows.sum(axis=1, keepdims=True) + _EPSILON
    specific = np.maximum(rows - rows.mean(axis=0), 0.0) if len(rows) > 1 else rows
    grid = processor.image_processor.grid(*size, len(pixel_features))
    return [replace(word, map=_rescaled(row).reshape(grid)) for word, row in zip(words, specific, strict=True)]


def explain_file(
    path: str | Path,
    query: str | Query,
    *,
    weights: str | Path = DEFAULT,
    device: str = "auto",
    method: Method = "words",
    layer: int | None = None,
    head: int | None = None,
) -> ExplainedFile:
    """Compare the photo at `path` with the words of `query`. It need not be in a library, and nothing is stored.

    `layer` and `head` are of the method `attention`. Raises QueryError where the file cannot be read as a photo, where
    there is no word in the query, and where there is no such layer or head, and WeightsError where there are no such
    weights.
    """
    from engine.files import read_file  # slow to import; a photo of the library does not need it

    sentence = parse(query).words
    model = TrainedModel(weights, device=device)
    processor, runtime, ranker = model.processor, model.runtime, model.ranker
    picture = read_file(Path(path), processor.image_processor).picture
    photo, text = runtime.encode_image([picture.pixels]), runtime.encode_text([sentence])
    size, prepared = (picture.width, picture.height), ranker.prepare(photo)
    words = word_evidence(processor, sentence, prepared.words)
    if method == "attention":
        words = with_attention(words, runtime, processor, sentence, photo.pixel_features[0], size, layer, head)
    elif any(word.can_be_shown for word in words):
        cells = runtime.cells(picture.pixels)
        words = with_maps(words, processor, sentence, ranker.parameters.detectors, cells, size)
    explanation = Explanation(sentence, float(ranker.score(text, prepared).match[0]), words)
    image = Image.fromarray(picture.pixels)
    scale = max(image.size) / max(size)
    return ExplainedFile(explanation, image.resize((max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))))


def heat(strength: NDArray[np.float32], size: tuple[int, int]) -> Image.Image:
    """A map (h, w), 0 to 1, as a picture of that width and height to lay over the photo.

    It is dark where the map is low, transparent at 0.5, and bright where it is high.
    """
    levels = Image.fromarray((255 * strength).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    picture = Image.composite(
        Image.new("RGB", size, _HIGH_COLOUR), Image.new("RGB", size, _LOW_COLOUR), levels.point(_IS_HIGH)
    )
    picture.putalpha(levels.point(_OPACITY))
    return picture


def _spans(processor: PixelBertProcessor, sentence: str) -> list[tuple[str, slice]]:
    """The words of a sentence, each with its tokens. Raises QueryError where there is none."""
    words = processor.words(sentence)
    if not words:
        raise QueryError("there is no word in the sentence to explain a photo by.")
    return [(word, slice(tokens.start, tokens.stop)) for word, tokens in words]


def _smoothed(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each cell of (h, w) averaged with the cells around it, those nearest to it the most."""
    height, width = grid.shape
    padded = np.pad(grid, 1, mode="edge")
    return sum(
        (
            down * across * padded[1 + row : 1 + row + height, 1 + column : 1 + column + width]
            for row, down in _NEIGHBOURS
            for column, across in _NEIGHBOURS
        ),
        start=np.zeros_like(grid),
    )


def _rescaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values, scaled to 0 to 1; zeros where all are equal."""
    low, high = values.min(), values.max()
    return np.asarray((values - low) / max(_EPSILON, high - low), dtype=np.float32)
