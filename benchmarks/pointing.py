"""Pointing test: do the maps of `pixelseek explain` show where things are? No boxes drawn by hand are needed.

    python -m benchmarks.pointing --data SHARD [--data SHARD]... [--pictures N]

Two dev photos become one picture, side by side or one above the other, each squashed to half of it. A word that the
captions of only one of them use is looked up in the map of the picture: its hottest cell should lie in that photo's
half. Chance is 50 %. Function words, and words without a detector, are left out.

Word maps are tested for every such word, in classes of how much it speaks for the picture; attention for one word of
each picture, chosen at random, in its caption. Prints JSON; the intervals are 95 %, by a bootstrap over pictures.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from benchmarks.machine import machine
from engine.explain import MIN_MAP_ODDS, with_attention, with_maps, word_evidence
from indexer.library.text_analysis import search_words
from model.bundle import TrainedModel
from model.data.shards import CaptionedPhoto, read_shards
from model.weights import DEFAULT

PICTURES = 600
ODDS = (0.0, 1.0, 2.0, 5.0, 10.0, MIN_MAP_ODDS)
RESAMPLES = 2000


def main() -> None:
    """Print the share of cases, by kind of map, in which the hottest cell lies in the right half."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, metavar="SHARD")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="of each data set")
    parser.add_argument("--weights", default=DEFAULT)
    arguments = parser.parse_args()

    model = TrainedModel(arguments.weights, device="cpu")
    by_dataset = defaultdict(list)
    for photo in read_shards(arguments.data, "dev"):
        by_dataset[photo.dataset].append(photo)
    answers = {}
    for name, photos in by_dataset.items():
        random, cases = np.random.default_rng(0), defaultdict(list)
        for number in tqdm(range(arguments.pictures), desc=name):
            first, second = (photos[row] for row in random.choice(len(photos), 2, replace=False))
            for kind, is_right in pointed(model, first, second, number % 4, random):
                cases[kind].append((number, is_right))
        answers[name] = {kind: share(cases[kind]) for kind in sorted(cases)}
    print(json.dumps({"weights": model.generation, "machine": machine(), "pointing": answers}, indent=2))


def pointed(
    model: TrainedModel, shown: CaptionedPhoto, other: CaptionedPhoto, layout: int, random: np.random.Generator
) -> Iterator[tuple[str, bool]]:
    """For each word that only captions of `shown` use: the kind of map, and whether it points to that photo."""
    processor, runtime, detectors = model.processor, model.runtime, model.scoring_parameters.detectors
    pixels = one_picture(model, shown, other, layout)
    size = pixels.shape[1], pixels.shape[0]
    encoded, cells = runtime.encode_image([pixels]), runtime.cells(pixels)
    detected = model.ranker.detect_words(encoded.pooled_features)
    words = sorted(search_words(" ".join(shown.captions)) - search_words(" ".join(other.captions)))
    words = [word for word in words if np.isin(processor.tokenize([word])["input_ids"][0][1:-1], detectors.ids).all()]
    for word in words:
        (evidence,) = word_evidence(processor, word, detected)
        raised = replace(evidence, log_odds=np.inf)  # so that weak words have a map too
        (mapped,) = with_maps([raised], processor, word, detectors, cells, size)
        assert mapped.map is not None
        for odds in ODDS:
            if np.exp(evidence.log_odds) >= odds:
                yield f"words, odds from {odds:g}", points_to_half(mapped.map, layout)
    if words:
        word = str(random.choice(words))
        caption = next(caption for caption in shown.captions if word in search_words(caption))
        every = word_evidence(processor, caption, detected)
        features = encoded.pixel_features[0]
        for mapped in with_attention(every, runtime, processor, caption, features, size):
            if word in search_words(mapped.word):
                assert mapped.map is not None
                yield "attention", points_to_half(mapped.map, layout)
                break


def one_picture(model: TrainedModel, shown: CaptionedPhoto, other: CaptionedPhoto, layout: int) -> NDArray[np.uint8]:
    """Both photos as one, as the model reads it. Layouts: `shown` on the left, on the right, above, below."""
    processor = model.processor.image_processor
    first, second = (shown, other) if layout % 2 == 0 else (other, shown)
    halves = [Image.fromarray(photo.decode(processor)) for photo in (first, second)]
    width, height = halves[0].size
    half = (width // 2, height) if layout < 2 else (width, height // 2)
    picture = Image.new("RGB", (width, height))
    picture.paste(halves[0].resize(half, Image.Resampling.BICUBIC), (0, 0))
    picture.paste(halves[1].resize(half, Image.Resampling.BICUBIC), (width - half[0], height - half[1]))
    return processor.resize(picture)


def points_to_half(heat: NDArray[np.float32], layout: int) -> bool:
    """Whether the hottest cell of a map (h, w) lies in the half of the photo that shows the word."""
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    in_first = 2 * column < heat.shape[1] if layout < 2 else 2 * row < heat.shape[0]
    return bool(in_first) == (layout % 2 == 0)


def share(cases: list[tuple[int, bool]]) -> dict[str, float | int | list[float]]:
    """The share of right cases in percent, its interval, and how many cases and pictures there are."""
    pictures, rows = np.unique([number for number, _ in cases], return_inverse=True)
    right = np.bincount(rows, [is_right for _, is_right in cases])
    counts = np.bincount(rows)
    samples = np.random.default_rng(0).integers(0, len(pictures), (RESAMPLES, len(pictures)))
    shares = 100 * right[samples].sum(axis=1) / counts[samples].sum(axis=1)
    interval = [round(float(edge), 1) for edge in np.quantile(shares, (0.025, 0.975))]
    percent = round(float(100 * right.sum() / counts.sum()), 1)
    return {"percent": percent, "interval": interval, "cases": int(counts.sum()), "pictures": len(pictures)}


if __name__ == "__main__":
    main()
