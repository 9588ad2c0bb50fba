"""Why a photo matches a sentence: where in it each word looks (the paper's section 4.4), and how much each speaks for
it."""

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
"""How to tell where a word looks: its attention in one layer and head or in the mean of them; what reaches it through
all the layers (arXiv 2005.00928); what of that counts for the match (arXiv 2103.15679), which needs PyTorch."""

# Dark blue and yellow differ for every kind of colour vision, and in lightness too.
_AWAY, _THERE = (0, 16, 60), (255, 221, 51)
_TINY = 1e-12
_MOST = 999.0  # times: how many more means nothing
_DARKEST, _BRIGHTEST = 190, 128  # of 255: what is underneath stays visible
_IS_LIT = [255 * (level > 127) for level in range(256)]
_OPACITY = [
    round(_BRIGHTEST * (level / 127.5 - 1) if level > 127 else _DARKEST * (1 - level / 127.5)) for level in range(256)
]


@dataclass(frozen=True)
class Explanation:
    """Where the words of a sentence look, over a grid of cells that covers the photo."""

    words: list[str]
    """As they stand in the sentence; only those that the model has read."""
    maps: NDArray[np.float32]
    """(W, h, w), 0 to 1: where each word looks more than words here usually do."""
    overall: NDArray[np.float32]
    """(h, w), 0 to 1: where they usually look."""
    evidence: NDArray[np.float32]
    """(W,) How much each word speaks for the photo: the logarithm of how many times as high the odds are that people
    use it of this photo as of any. Zeros where the weights have learned no words."""

    @property
    def times(self) -> list[str]:
        """Those odds, written out; nothing where no words were learned."""
        if not self.evidence.any():
            return []
        return [_times(one) for one in self.evidence.tolist()]


@dataclass(frozen=True)
class ExplainedFile:
    """A photo file held against a sentence."""

    explanation: Explanation
    match: float
    """Calibrated probability, 0 to 1, as a search prints it."""
    photo: Image.Image
    """The photo in the detail in which the model sees it, and in its own shape."""


def explain(
    runtime: Runtime,
    processor: PixelBertProcessor,
    sentence: str,
    pixel_features: NDArray[np.float32],
    photo_words: DetectedWords,
    size: tuple[int, int],
    *,
    method: Method = "attention",
    layer: int | None = None,
    head: int | None = None,
) -> Explanation:
    """Ask the joint pass over `sentence` and the pixel features (P, D) of a photo where each word looks, and
    `photo_words`, which are of that photo alone, how much each speaks for it.

    `size` is width and height of the upright photo in pixels. `layer` and `head`, counted from 1, choose one of the
    cross-modal layers and heads whose attention is shown; without them it is the mean of all. A few cells draw every
    word's attention, so that two words look much alike: a word's map shows what it gives a cell beyond the mean of all
    words.

    Raises QueryError when there is no word in the sentence, no such layer or head, or the runtime has no gradients
    for `relevance`.
    """
    spans = processor.words(sentence)
    if not spans:
        raise QueryError("there is no word in the sentence to explain a photo by.")
    between = _between_tokens(runtime, sentence, pixel_features, method, layer, head)[:, -len(pixel_features) :]
    looks = np.stack([between[span.start : span.stop].mean(axis=0) for _, span in spans])  # (W, P)
    looks /= looks.sum(axis=1, keepdims=True) + _TINY
    usual = looks.mean(axis=0)
    own = np.maximum(looks - usual, 0.0) if len(spans) > 1 else looks
    grid = processor.grid(*size, len(pixel_features))
    (pieces,) = photo_words.per_token(processor.text([sentence])["input_ids"][0])
    return Explanation(
        [word for word, _ in spans],
        np.stack([_stretched(one).reshape(grid) for one in own]),
        _stretched(usual).reshape(grid),
        np.array([pieces[span.start : span.stop].sum() for _, span in spans], dtype=np.float32),
    )


def explain_file(
    path: Path,
    query: str | Query,
    *,
    weights: str | Path = DEFAULT,
    device: str = "auto",
    method: Method = "attention",
    layer: int | None = None,
    head: int | None = None,
) -> ExplainedFile:
    """Hold the photo at `path` against the words of `query`. It need not be in a library, and nothing is stored.

    Raises QueryError when the file cannot be read as a photo and as `explain` does, and WeightsError when there are no
    such weights, or no PyTorch for `relevance`.
    """
    from engine.files import read_file  # slow to import, and needless for a photo of the library

    sentence = parse(query).words
    model = TrainedModel(weights, device=device)
    picture = read_file(path, model.processor).picture
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
    shown = Image.fromarray(picture.pixels)
    scale = max(shown.size) / max(size)
    return ExplainedFile(
        explanation, float(match[0]), shown.resize((max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
    )


def _times(evidence: float) -> str:
    if evidence > math.log(_MOST):
        return f"{_MOST:.0f}+"
    ratio = math.exp(max(evidence, -math.log(_MOST)))
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"


def heat(attention: NDArray[np.float32], size: tuple[int, int]) -> Image.Image:
    """A map (h, w), 0 to 1, as a picture of that width and height to lay over the photo.

    It darkens what is not looked at, leaves clear what is looked at a little (0.5), and lights up what is most.
    """
    strength = Image.fromarray((255 * attention).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    picture = Image.composite(Image.new("RGB", size, _THERE), Image.new("RGB", size, _AWAY), strength.point(_IS_LIT))
    picture.putalpha(strength.point(_OPACITY))
    return picture


def _between_tokens(
    runtime: Runtime,
    sentence: str,
    pixel_features: NDArray[np.float32],
    method: Method,
    layer: int | None,
    head: int | None,
) -> NDArray[np.float32]:
    """(T + P, T + P) How much each token looks at each."""
    if method != "attention" and (layer, head) != (None, None):
        raise QueryError(f"{method} is of all layers and heads: leave out which one.")
    text = runtime.encode_text([sentence])
    if method == "relevance":
        if not isinstance(runtime, GradientRuntime):
            raise QueryError("relevance needs gradients, which this runtime does not compute.")
        return runtime.relevance(text, [pixel_features])[0]
    (attention,) = runtime.attend(text, [pixel_features])
    if method == "rollout":
        return rollout(attention)
    for name, chosen, count in (("layer", layer, attention.shape[0]), ("head", head, attention.shape[1])):
        if chosen is not None and not 1 <= chosen <= count:
            raise QueryError(f"there is no {name} {chosen}: choose one from 1 to {count}.")
    return averaged(attention, layer and layer - 1, head and head - 1)


def _stretched(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """From 0 to 1, where they differ at all."""
    low, high = values.min(), values.max()
    return np.asarray((values - low) / max(_TINY, high - low), dtype=np.float32)
