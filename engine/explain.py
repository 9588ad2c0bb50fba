"""Why a photo matches a sentence: where in it each word looks (the paper's figure 6)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.errors import QueryError
from model.processor import PixelBertProcessor
from model.runtime import Runtime
from model.trained import TrainedModel
from model.weights import DEFAULT

# Dark blue and yellow differ for every kind of colour vision, and in lightness too.
_AWAY, _THERE = (0, 16, 60), (255, 221, 51)
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
    size: tuple[int, int],
) -> Explanation:
    """Ask the joint pass over `sentence` and the pixel features (P, D) of a photo where each word looks.

    `size` is width and height of the upright photo in pixels. A few cells draw every word's attention, so that the
    plain attention of two words looks much alike: a word's map shows what it gives a cell beyond the mean of all words.

    Raises QueryError when there is no word in the sentence.
    """
    spans = processor.words(sentence)
    if not spans:
        raise QueryError("there is no word in the sentence to explain a photo by.")
    (attention,) = runtime.attend(runtime.encode_text([sentence]), [pixel_features])  # (T, P)
    looks = np.stack([attention[span.start : span.stop].mean(axis=0) for _, span in spans])  # (W, P)
    looks /= looks.sum(axis=1, keepdims=True)
    usual = looks.mean(axis=0)
    own = np.maximum(looks - usual, 0.0) if len(spans) > 1 else looks
    grid = processor.grid(*size, len(pixel_features))
    return Explanation(
        [word for word, _ in spans],
        np.stack([_stretched(one).reshape(grid) for one in own]),
        _stretched(usual).reshape(grid),
    )


def explain_file(path: Path, sentence: str, *, weights: str | Path = DEFAULT, device: str = "auto") -> ExplainedFile:
    """Hold the photo at `path` against `sentence`. It need not be in a library, and nothing is stored.

    Raises QueryError when the file cannot be read as a photo or there is no word in the sentence, and WeightsError
    when there are no such weights.
    """
    from engine.files import read_file  # slow to import, and needless for a photo of the library

    model = TrainedModel(weights, device=device)
    picture = read_file(path, model.processor).picture
    runtime = model.runtime
    photo, text = runtime.encode_image([picture.pixels]), runtime.encode_text([sentence])
    size = picture.width, picture.height
    explanation = explain(runtime, model.processor, sentence, photo.pixel_features[0], size)
    normalised = photo.embeddings @ text.embeddings[0] - model.querybank.hubness(photo.embeddings)
    match = model.calibration.match(model.calibration.score(runtime.match(text, photo.pixel_features), normalised))
    shown = Image.fromarray(picture.pixels)
    scale = max(shown.size) / max(size)
    return ExplainedFile(
        explanation, float(match[0]), shown.resize((max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
    )


def heat(attention: NDArray[np.float32], size: tuple[int, int]) -> Image.Image:
    """A map (h, w), 0 to 1, as a picture of that width and height to lay over the photo.

    It darkens what is not looked at, leaves clear what is looked at a little (0.5), and lights up what is most.
    """
    strength = Image.fromarray((255 * attention).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    picture = Image.composite(Image.new("RGB", size, _THERE), Image.new("RGB", size, _AWAY), strength.point(_IS_LIT))
    picture.putalpha(strength.point(_OPACITY))
    return picture


def _stretched(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """From 0 to 1, where they differ at all."""
    low, high = values.min(), values.max()
    return np.asarray((values - low) / max(1e-12, high - low), dtype=np.float32)
