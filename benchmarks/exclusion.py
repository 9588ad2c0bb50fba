"""Whether an excluded term keeps photos out, and how many wanted photos that costs.

    python -m benchmarks.exclusion --data photos.tar

Each query is a wanted and an excluded term ("a dog" -ball). A photo shows the wanted term when two of its captions name
it, and the excluded term when any does. A query is used when 15 photos or more show the wanted term alone, and as many
show both.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine
from engine.exclusion import exclusion_penalties, search_direction
from model.data.shards import CaptionedPhoto, read_shards
from model.processor import PixelBertProcessor
from model.scoring.collection import encode_collection
from model.scoring.ranker import Ranker
from model.weights import DEFAULT, find_weights

WANTED = ("dog", "man", "girl", "child", "woman", "boy", "person")
EXCLUDED = (
    "grass", "water", "ball", "snow", "beach", "dog", "street", "bike", "man", "woman", "child", "tree", "people",
    "crowd", "sand", "red", "black", "hat",
)  # fmt: skip
MIN_PHOTOS = 15
SHORTLIST, FIRST = 64, 10


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, action="append")
    parser.add_argument("--split", default="test")
    parser.add_argument("--weights", default=DEFAULT)
    arguments = parser.parse_args()

    weights = find_weights(arguments.weights)
    ranker = Ranker.load(weights)
    photos = [photo for photo in read_shards(arguments.data) if photo.split == arguments.split]
    encoded = encode_collection(
        ranker, [photo.with_captions(1) for photo in photos], PixelBertProcessor.from_pretrained(weights)
    )
    makes = ranker.photo_vectors
    vectors = makes.of_photos(encoded.photos.embeddings, encoded.photos.pooled_features).astype(np.float32)
    queries = [
        (wanted, excluded, shows, shows_excluded)
        for wanted, excluded in product(WANTED, EXCLUDED)
        for shows, shows_excluded in [(named(photos, wanted) >= 2, named(photos, excluded) >= 1)]
        if wanted != excluded and min((shows & ~shows_excluded).sum(), (shows & shows_excluded).sum()) >= MIN_PHOTOS
    ]
    texts = {word: ranker.runtime.encode_text([f"a {word}"]) for word in WANTED} | {
        f"-{word}": ranker.runtime.encode_text([word]) for word in EXCLUDED
    }

    def nearest(wanted: str, excluded: str | None) -> NDArray[np.int64]:
        others = [makes.of_sentences(texts[f"-{excluded}"]).vectors] if excluded else []
        (query,) = makes.of_sentences(texts[wanted]).vectors
        products = vectors @ search_direction(query, np.concatenate([np.empty((0, len(query)), np.float32), *others]))
        return np.argsort(-products, kind="stable")[:SHORTLIST]

    def scores(phrase: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return ranker.score(texts[phrase], encoded.photos, rows).scores

    def reranked(wanted: str, excluded: str | None) -> NDArray[np.int64]:
        rows = nearest(wanted, excluded)
        total = scores(wanted, rows)
        if excluded:
            total = total - exclusion_penalties(scores(f"-{excluded}", rows)[None])
        return rows[np.argsort(-total, kind="stable")]

    def measure(rank: Callable[[str, str | None], NDArray[np.int64]], *, exclude: bool) -> str:
        good, bad = [], []
        for wanted, excluded, shows, shows_excluded in queries:
            first = rank(wanted, excluded if exclude else None)[:FIRST]
            good.append((shows & ~shows_excluded)[first].mean())
            bad.append(shows_excluded[first].mean())
        return f"{100 * np.mean(good):.1f} | {100 * np.mean(bad):.1f} |"

    print(f"| {len(queries)} queries, {len(photos):,} photos; of the first {FIRST}, in percent | right | excluded |")
    print("|---|---|---|")
    print(f"| shortlist alone, nothing excluded | {measure(nearest, exclude=False)}")
    print(f"| shortlist alone | {measure(nearest, exclude=True)}")
    print(f"| reranked, nothing excluded | {measure(reranked, exclude=False)}")
    print(f"| reranked | {measure(reranked, exclude=True)}")
    print(f"\n{machine()}")


def named(photos: list[CaptionedPhoto], word: str) -> NDArray[np.int64]:
    """How many captions of each photo name the thing."""
    forms = {word, f"{word}s", f"{word}es"}
    return np.array([sum(bool(forms & words(caption)) for caption in photo.captions) for photo in photos])


def words(caption: str) -> set[str]:
    """In lower case."""
    return set(re.findall(r"\w+", caption.lower()))


if __name__ == "__main__":
    main()
