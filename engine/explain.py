"""Why a photo matches a sentence: where each word looks (section 4.4 of the paper), and how much evidence it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.errors import QueryError
from engine.query import Query, parse
from model.bundle import TrainedModel
from model.processor import PixelBertProcessor
from model.runtime.attention import averaged, rollout
from model.runtime.protocol import GradientRuntime, Runtime
from model.scoring.ranker import Ranker
from model.scoring.word_detectors import DetectedWords
from model.weights import DEFAULT

Method = Literal["attention", "rollout", "relevance"]
METHODS: tuple[Method, ...] = get_args(Method)
"""How to compute where a word looks: the attention of one layer and head, or the mean of all; rollout over all
layers (arXiv 2005.00928); rollout weighted by the gradient of the match (arXiv 2103.15679), which needs PyTorch."""

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


@dataclass(frozen=True)
class Explanation:
    """Where the words of a sentence look, on a grid over the photo."""

    words: list[str]
    """As they stand in the sentence; only those that the model reads."""
    maps: NDArray[np.float32]
    """(W, h, w), 0 to 1: where each word looks more than the mean of the words."""
    overall: NDArray[np.float32]
    """(h, w), 0 to 1: where the words look on average."""
    evidence: NDArray[np.float32]
    """(W,) How much evidence for the photo each word is: the log-odds ratio that people use it for this photo, compared
    with any photo. Zeros where the weights have no word detectors."""

    @property
    def times(self) -> list[str]:
        """The odds ratios as text; empty without word detectors."""
        if not self.evidence.any():
            return []
        return [_odds_ratio(log_odds) for log_odds in self.evidence.tolist()]


@dataclass(frozen=True)
class ExplainedFile:
    """A photo file compared with a sentence."""

    explanation: Explanation
    match: float
    """Calibrated probability that they match, 0 to 1, as in a search."""
    photo: Image.Image
    """The photo in the resolution that the model sees, and in its own aspect ratio."""


def explain(
    runtime: Runtime,
    processor: PixelBertProcessor,
    sentence: str,
    pixel_features: NDArray[np.float32],
    detected: DetectedWords,
    size: tuple[int, int],
    *,
    method: Method = "attention",
    layer: int | None = None,
    head: int | None = None,
) -> Explanation:
    """Explain a match by the attention of the joint pass over `sentence` and the pixel features (P, D) of a photo, and
    by the detected words of that photo.

    `size` is width and height of the upright photo in pixels. `layer` and `head`, counted from 1, select one
    cross-modal layer and head; without them the attention is the mean of all. A few cells attract every word. So the
    map of a word shows its attention beyond the mean of all words.

    Raises QueryError where there is no word in the sentence, no such layer or head, or the runtime has no gradients
    for `relevance`.
    """
    spans = processor.words(sentence)
    if not spans:
        raise QueryError("there is no word in the sentence to explain a photo by.")
    to_pixels = _token_attention(runtime, sentence, pixel_features, method, layer, head)[:, -len(pixel_features) :]
    attention = np.stack([to_pixels[span.start : span.stop].mean(axis=0) for _, span in spans])  # (W, P)
    attention /= attention.sum(axis=1, keepdims=True) + _EPSILON
    mean = attention.mean(axis=0)
    specific = np.maximum(attention - mean, 0.0) if len(spans) > 1 else attention
    grid = processor.image_processor.grid(*size, len(pixel_features))
    (log_odds,) = detected.per_token(processor.tokenize([sentence])["input_ids"][0])
    return Explanation(
        [word for word, _ in spans],
        np.stack([_rescaled(row).reshape(grid) for row in specific]),
        _rescaled(mean).reshape(grid),
        np.array([log_odds[span.start : span.stop].sum() for _, span in spans], dtype=np.float32),
    )


def explain_file(
    path: str | Path,
    query: str | Query,
    *,
    weights: str | Path = DEFAULT,
    device: str = "auto",
    method: Method = "attention",
    layer: int | None = None,
    head: int | None = None,
) -> ExplainedFile:
    """Compare the photo at `path` with the words of `query`. It need not be in a library, and nothing is stored.

    Raises QueryError where the file cannot be read as a photo and as `explain` does, and WeightsError where there are
    no such weights, or no PyTorch for `relevance`.
    """
    from engine.files import read_file  # slow to import; a photo of the library does not need it

    sentence = parse(query).words
    model = TrainedModel(weights, device=device)
    picture = read_file(Path(path), model.processor.image_processor).picture
    runtime = model.gradient_runtime if method == "relevance" else model.runtime
    photo, text = runtime.encode_image([picture.pixels]), runtime.encode_text([sentence])
    size = picture.width, picture.height
    ranker = Ranker(runtime, model.scoring_parameters)
    prepared = ranker.prepare(photo)
    explanation = explain(
        runtime,
        model.processor,
        sentence,
        photo.pixel_features[0],
        prepared.words,
        size,
        method=method,
        layer=layer,
        head=head,
    )
    match = ranker.score(text, prepared).match
    image = Image.fromarray(picture.pixels)
    scale = max(image.size) / max(size)
    return ExplainedFile(
        explanation, float(match[0]), image.resize((max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
    )


def _odds_ratio(log_odds: float) -> str:
    if log_odds > math.log(_MAX_ODDS):
        return f"{_MAX_ODDS:.0f}+"
    ratio = math.exp(max(log_odds, -math.log(_MAX_ODDS)))
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"


def heat(attention: NDArray[np.float32], size: tuple[int, int]) -> Image.Image:
    """A map (h, w), 0 to 1, as a picture of that width and height to lay over the photo.

    It is dark where the map is low, transparent at 0.5, and bright where it is high.
    """
    strength = Image.fromarray((255 * attention).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    picture = Image.composite(
        Image.new("RGB", size, _HIGH_COLOUR), Image.new("RGB", size, _LOW_COLOUR), strength.point(_IS_HIGH)
    )
    picture.putalpha(strength.point(_OPACITY))
    return picture


def _token_attention(
    runtime: Runtime,
    sentence: str,
    pixel_features: NDArray[np.float32],
    method: Method,
    layer: int | None,
    head: int | None,
) -> NDArray[np.float32]:
    """(T + P, T + P) How much each token attends to each."""
    if method != "attention" and (layer, head) != (None, None):
        raise QueryError(f"{method} combines all layers and heads: name neither.")
    text = runtime.encode_text([sentence])
    if method == "relevance":
        if not isinstance(runtime, GradientRuntime):
            raise QueryError("relevance needs gradients, which this runtime does not compute.")
        return runtime.relevance(text, [pixel_features])[0]
    (attention,) = runtime.attend(text, [pixel_features])
    if method == "rollout":
        return rollout(attention)
    for name, number, count in (("layer", layer, attention.shape[0]), ("head", head, attention.shape[1])):
        if number is not None and not 1 <= number <= count:
            raise QueryError(f"there is no {name} {number}: choose one from 1 to {count}.")
    return averaged(attention, layer and layer - 1, head and head - 1)


def _rescaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values, scaled to 0 to 1; zeros where all are equal."""
    low, high = values.min(), values.max()
    return np.asarray((values - low) / max(_EPSILON, high - low), dtype=np.float32)
