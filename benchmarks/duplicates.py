"""How many copies `pixelseek library duplicates` finds, and how many different photos it takes for copies.

    python -m benchmarks.duplicates --photos FOLDER --others photos.tar

Copies are made of the photos in FOLDER. The shard's photos are all different, so that every pair of them it would
report is an error. The alternative is the similarity of the embeddings alone.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.machine import machine
from engine.duplicates import MIN_AGREEMENT, MIN_SIMILARITY
from model.data.shards import read_shards
from model.image_processor import PixelBertImageProcessor
from model.runtime.loading import load_runtime
from model.runtime.protocol import EncodedImages, Runtime
from model.weights import DEFAULT, find_weights

BATCH = 32


def scaled(image: Image.Image, factor: float) -> Image.Image:
    """Of another size."""
    return image.resize((int(image.width * factor), int(image.height * factor)), Image.Resampling.LANCZOS)


def compressed(image: Image.Image, quality: int) -> Image.Image:
    """Through JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def cropped(image: Image.Image, part: float) -> Image.Image:
    """Without a margin on every side."""
    across, down = int(image.width * part), int(image.height * part)
    return image.crop((across, down, image.width - across, image.height - down))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized to 70 %": lambda image: scaled(image, 0.7),
    "resized to 50 %": lambda image: scaled(image, 0.5),
    "JPEG, quality 70": lambda image: compressed(image, 70),
    "JPEG, quality 40": lambda image: compressed(image, 40),
    "2 % cropped off each side": lambda image: cropped(image, 0.02),
    "5 % cropped off each side": lambda image: cropped(image, 0.05),
    "2 % cropped, 70 %, JPEG 70": lambda image: compressed(scaled(cropped(image, 0.02), 0.7), 70),
}


RULES = {f"pixel features agree {least}": (MIN_SIMILARITY, least) for least in (0.92, MIN_AGREEMENT, 0.96)} | {
    f"embeddings alone, {least}": (least, -1.0) for least in (0.94, 0.97, 0.985)
}
"""Least similarity of the embeddings and least agreement of the pixel features."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--others", type=Path, required=True, action="append")
    parser.add_argument("--split", default="test")
    parser.add_argument("--weights", default=DEFAULT)
    arguments = parser.parse_args()

    weights = find_weights(arguments.weights)
    runtime, processor = load_runtime(weights), PixelBertImageProcessor.from_pretrained(weights)
    images = [Image.open(path).convert("RGB") for path in sorted(arguments.photos.glob("*.jpg"))]
    originals = encode(runtime, [processor.resize(image) for image in images])
    others = [photo for photo in read_shards(arguments.others) if photo.split == arguments.split]
    different = encode(runtime, [photo.decode(processor) for photo in others])
    pairs = np.triu_indices(len(others), 1)
    features = flat(different)
    apart = (different.embeddings @ different.embeddings.T)[pairs], (features @ features.T)[pairs]

    print(f"| {len(images)} photos; found in percent | " + " | ".join(RULES) + " |\n|---|" + "---|" * len(RULES))
    for name, copy in COPIES.items():
        made = encode(runtime, [processor.resize(copy(image)) for image in images])
        near = (made.embeddings * originals.embeddings).sum(axis=1), (flat(made) * flat(originals)).sum(axis=1)
        print(
            f"| {name} | " + " | ".join(f"{100 * holds(*rule, *near).mean():.0f}" for rule in RULES.values()) + " |",
            flush=True,
        )
    wrong = " | ".join(str(int(holds(*rule, *apart).sum())) for rule in RULES.values())
    print(f"| wrong, of {len(pairs[0]):,} pairs of different photos | {wrong} |")
    print(f"\n{machine()}")


def holds(
    least_similarity: float, least_agreement: float, similarities: NDArray[np.float32], agreements: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Which pairs a rule takes for copies."""
    return (similarities >= least_similarity) & (agreements >= least_agreement)


def encode(runtime: Runtime, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
    """In batches."""
    parts = [runtime.encode_image(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    return EncodedImages(
        np.concatenate([part.embeddings for part in parts]),
        [features for part in parts for features in part.pixel_features],
        np.concatenate([part.pooled_features for part in parts]),
    )


def flat(encoded: EncodedImages) -> NDArray[np.float32]:
    """(N, P x D) pixel features of length 1."""
    features = np.stack(encoded.pixel_features).reshape(len(encoded.pixel_features), -1)
    return np.asarray(features / np.linalg.norm(features, axis=1, keepdims=True))


if __name__ == "__main__":
    main()
