"""Which kinds of sentences fail: the ranks of an evaluation, grouped by what the captions say.

    pixelseek model evaluate --data photos.tar --split test --ranks ranks.npz
    python -m benchmarks.failures --data photos.tar --split test --ranks ranks.npz

A sentence belongs to every group whose words it holds. `missed` is how many of its photos do not come first. Rare words
are those in fewer than ten captions of the train photos in `--data`. Small things are no group: captions do not say how
large a thing is.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data.shards import read_shards
from model.evaluation.comparison import KeptRanks
from model.metrics import mean_interval, percent

GROUPS = {
    "counts": "two three four five six seven eight nine ten several many couple group pair crowd",
    "colours": "black white red blue green yellow brown orange pink purple gray grey gold silver tan blond blonde "
    "colorful",
    "relations": "behind under underneath above below beside between near next front top inside outside across around "
    "through over against along past toward towards",
    "who does what": "chasing chases holding holds carrying carries throwing throws catching catches riding rides "
    "pulling pulls pushing pushes kicking kicks biting bites watching watches hitting hits",
    "negation": "no not without nobody nothing",
}
RARE, LONG = 10, 15


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, action="append")
    parser.add_argument("--split", default="test")
    parser.add_argument("--ranks", type=Path, required=True)
    arguments = parser.parse_args()

    photos = read_shards(arguments.data, arguments.split)
    ranks = KeptRanks.load(arguments.ranks, photos).ranks["text_to_image"]
    captions = [caption for photo in photos for caption in photo.captions]
    owner = np.array([row for row, photo in enumerate(photos) for _ in photo.captions])
    known = Counter(
        word for photo in read_shards(arguments.data, "train") for caption in photo.captions for word in words(caption)
    )
    print(
        "| sentences with | share | similarity: missed | not in the first 10 | rerank: missed | not in the first 10 "
        "| more often missed than the others |\n|---|---|---|---|---|---|---|"
    )
    for name, rows in grouped(captions, known).items():
        missed = (ranks["rerank"] >= 1).astype(np.float64)
        figures = [percent((ranks[by][rows] >= k).mean()) for by in ("shortlist", "rerank") for k in (1, 10)]
        difference = "" if rows.all() else _difference(missed, rows, owner)
        cells = " | ".join(f"{figure:.1f}" for figure in figures)
        print(f"| {name} | {percent(rows.mean()):.0f} | {cells} | {difference} |")
    print(
        f"\n{len(captions):,} sentences, {len(photos):,} photos, in percent; the last column in points, by the rerank."
    )


def words(caption: str) -> list[str]:
    """Its words, lower case."""
    return re.findall(r"[a-z]+", caption.lower())


def grouped(captions: list[str], known: Counter[str]) -> dict[str, NDArray[np.bool_]]:
    """Which captions (M,) belong to each group."""
    split = [words(caption) for caption in captions]
    groups = {"anything": np.ones(len(captions), dtype=np.bool_)}
    for name, group in GROUPS.items():
        groups[name] = np.array([not set(group.split()).isdisjoint(caption) for caption in split])
    groups[f"a word in fewer than {RARE} training captions"] = np.array(
        [any(known[word] < RARE for word in caption) for caption in split]
    )
    groups[f"{LONG} words or more"] = np.array([len(caption) >= LONG for caption in split])
    return groups


def _difference(missed: NDArray[np.float64], rows: NDArray[np.bool_], owner: NDArray[np.int64]) -> str:
    """How much more often those of `rows` are missed than the others, in points.

    By a bootstrap over photos of the linearised difference: what each sentence adds to the two means.
    """
    if not rows.any():
        return ""
    inside, outside = missed[rows].mean(), missed[~rows].mean()
    influence = np.where(rows, (missed - inside) / rows.mean(), -(missed - outside) / (~rows).mean()) + inside - outside
    mean, low, high = mean_interval(influence, owner)
    return f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


if __name__ == "__main__":
    main()
