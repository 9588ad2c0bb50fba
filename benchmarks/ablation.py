"""What each part of a recipe is worth: the same run with that part changed, on the same steps and seeds.

python -m benchmarks.ablation --data SHARD [--data SHARD] [--rows no-mlm,no-itm] [--minutes 9]

Rows are in ablation.toml. Runs lie in --output and go on where they were stopped, so that a machine lent for ten
minutes at a time is enough: call it again until it prints the table. Recall is measured on the dev photos.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine
from model.bundle import TrainedModel
from model.data.shards import CaptionedPhoto, read_shards
from model.metrics import recall_gain
from model.quantization import dequantize, quantize
from model.runtime.graphs import write_graphs
from model.runtime.hardware import has_gpu
from model.scoring.collection import EncodedCollection, encode_collection
from model.scoring.ranker import Ranker
from model.scoring.shortlists import rerank_photos
from model.training.loop import train
from model.training.recipe import Recipe, as_toml, load_recipe, overridden

ROWS = Path(__file__).with_suffix(".toml")
BASE = "base"
SHORTLIST = 16


def main() -> None:
    """Train what is not trained yet, and print the table of what is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, action="append")
    parser.add_argument("--recipe", default="small", help="what all rows start from (default: small)")
    parser.add_argument("--rows", help="by name, with commas between them (default: all)")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=float, default=20.0, help="of every run: the same steps for all (default: 20)")
    parser.add_argument("--output", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--minutes", type=float, help="stop after so many; the next call goes on")
    arguments = parser.parse_args()

    rows = chosen(arguments.rows)
    base = overridden(load_recipe(arguments.recipe), {"schedule.epochs": arguments.epochs}, "--epochs")
    until = float("inf") if arguments.minutes is None else time.monotonic() + 60.0 * arguments.minutes
    for seed in range(arguments.seeds):
        for name, changes in {BASE: {}, **rows}.items():
            recipe = overridden(base, {**changes, "name": name, "seed": seed}, f"row {name}")
            left = (until - time.monotonic()) / 60.0
            if left <= 0 or not trained(recipe, arguments.data, arguments.output, left):
                print(f"Stopped in {name}, seed {seed}: call it again to go on.", file=sys.stderr)
                return
    dev = read_shards(arguments.data, "dev")
    seeds = range(arguments.seeds)
    print(f"| {arguments.epochs:g} epochs of {arguments.recipe} | shortlist R@1 | rerank R@1 | rerank less {BASE} | |")
    print("|---|---|---|---|---|")
    before = [Measured.of(arguments.output / f"{BASE}-{seed}" / "weights", dev) for seed in seeds]
    print(line(BASE, before, before, "all parts as in the recipe"))
    print(line("int8", before, [result.as_int8() for result in before], "its pixel features as a library stores them"))
    print(line("no-bank", before, [result.without_bank() for result in before], "its similarities not normalised"))
    for name in rows:
        after = [Measured.of(arguments.output / f"{name}-{seed}" / "weights", dev) for seed in seeds]
        print(line(name, before, after, why(name)))
    print(f"\n{len(dev)} dev photos with all their captions, each dataset a gallery of its own, {len(seeds)} seeds,")
    print(f"shortlists of {SHORTLIST}; intervals of 95 % by paired bootstrap over photos. {machine()}")


def chosen(names: str | None) -> dict[str, dict[str, Any]]:
    """The rows called `names`, in their order, and what each changes; all where there are none."""
    known = tomllib.loads(ROWS.read_text(encoding="utf-8"))
    wanted = list(known) if names is None else names.split(",")
    if unknown := sorted(set(wanted) - set(known)):
        raise SystemExit(f"no row called {unknown[0]} (known: {', '.join(known)})")
    return {name: {key: value for key, value in known[name].items() if key != "why"} for name in wanted}


def why(name: str) -> str:
    """What the row is about."""
    return str(tomllib.loads(ROWS.read_text(encoding="utf-8"))[name]["why"])


def trained(recipe: Recipe, data: Sequence[Path], output: Path, minutes: float) -> bool:
    """Whether the run is done, after up to so many more minutes of it."""
    folder = output / f"{recipe.name}-{recipe.seed}"
    done = folder / "done"
    if done.exists():
        return True
    # Frozen stages give the same for every row that has them: what is computed once serves all.
    shared = output.resolve() / "pixel-features"
    shared.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    if not (folder / "pixel-features").exists():
        (folder / "pixel-features").symlink_to(shared)
    path = output / f"{recipe.name}-{recipe.seed}.toml"
    path.write_text(as_toml(recipe), encoding="utf-8")
    if train(path, data, folder, resume=True, minutes=None if minutes == float("inf") else minutes) is None:
        return False
    if not has_gpu():
        write_graphs(folder / "weights")  # measuring is faster with them
    done.touch()
    return True


class Measured:
    """Finished weights on the dev photos: the rank of every caption's photo, by similarity and by score."""

    def __init__(self, ranker: Ranker, galleries: list[EncodedCollection]) -> None:
        self._ranker, self._galleries = ranker, galleries
        lists = [rerank_photos(ranker, gallery, SHORTLIST) for gallery in galleries]
        self.shortlist = np.concatenate([gallery.similarity_ranks for gallery in lists])
        self.rerank = np.concatenate([gallery.ranks(ranker.combine(gallery.parts)) for gallery in lists])
        starts = np.cumsum([0, *(len(gallery.photos) for gallery in galleries)])
        self.photos: NDArray[np.int64] = np.concatenate(
            [gallery.photos + start for gallery, start in zip(lists, starts, strict=False)]
        )

    @classmethod
    def of(cls, weights: Path, dev: Sequence[CaptionedPhoto]) -> Measured:
        """The weights in that folder, each dataset of the dev photos in a gallery of its own."""
        model = TrainedModel(weights)
        ranker = Ranker(model.runtime, model.ranker.parameters, detectors=False)
        datasets = sorted({photo.dataset for photo in dev})
        galleries = [[photo for photo in dev if photo.dataset == dataset] for dataset in datasets]
        return cls(ranker, [encode_collection(ranker, photos, model.processor) for photos in galleries])

    def as_int8(self) -> Measured:
        """The same with pixel features as a library stores them."""
        return Measured(
            self._ranker,
            [
                replace(gallery, photos=replace(gallery.photos, pixel_features=_rounded(gallery.photos.pixel_features)))
                for gallery in self._galleries
            ],
        )

    def without_bank(self) -> Measured:
        """The same without querybank normalisation."""
        parameters = self._ranker.parameters
        return Measured(Ranker(self._ranker.runtime, parameters, hubness=False, detectors=False), self._galleries)


def _rounded(pixel_features: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    return [dequantize(quantize(features), features.shape[1]) for features in pixel_features]


def line(name: str, before: list[Measured], after: list[Measured], about: str) -> str:
    """A line of the table: the mean over the seeds, and what the rerank gains on that of `before`."""
    shortlist, rerank = (
        100.0 * np.mean([(of_seed < 1).mean() for of_seed in ranks])
        for ranks in ([result.shortlist for result in after], [result.rerank for result in after])
    )
    if after is before:
        gain = ""
    else:
        # The seeds of a photo are drawn together: they are no independent photos.
        difference = recall_gain(
            np.concatenate([result.rerank for result in before]),
            np.concatenate([result.rerank for result in after]),
            np.concatenate([result.photos for result in before]),
            1,
        )
        gain = f"{difference['gain']:+.1f} [{difference['low']:+.1f}, {difference['high']:+.1f}]"
    return f"| {name} | {shortlist:.1f} | {rerank:.1f} | {gain} | {about} |"


if __name__ == "__main__":
    main()
