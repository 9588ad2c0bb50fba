"""Deletion curves: does the heat of `pixelseek explain` show where the ITM logit comes from?

    python -m benchmarks.deletion --data SHARD [--data SHARD]... [--plot FILE]

The pixel tokens that the map of all words calls hottest are removed from the joint pass, more and more of them, and the
change of the ITM logit is measured; random tokens are removed for comparison. The data are dev photos with their first
caption. A removed token is not blackened: the joint pass does not read it. Tokens are states at the fusion layer, which
the rerank reads: each has already attended to its neighbours.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.machine import machine
from engine.explain import METHODS, explain
from model.bundle import TrainedModel
from model.data.shards import CaptionedPhoto, read_shards
from model.runtime.protocol import Runtime
from model.weights import DEFAULT

PHOTOS = 300
REMOVED = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
RANDOM_ORDERS = 3
RESAMPLES = 5000
RANDOM = "random"


def main() -> None:
    """Print the table; with --plot, draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", required=True, metavar="SHARD")
    parser.add_argument("--photos", type=int, default=PHOTOS)
    parser.add_argument("--plot", type=Path, metavar="FILE")
    parser.add_argument("--weights", default=DEFAULT)
    arguments = parser.parse_args()

    random = np.random.default_rng(0)
    dev = read_shards(arguments.data, "dev")
    chosen = random.choice(len(dev), min(arguments.photos, len(dev)), replace=False)
    model = TrainedModel(arguments.weights, device="cpu")
    measured = [logit_changes(model, dev[row], random) for row in tqdm(chosen)]
    curves = {name: np.stack([photo[name] for photo in measured]) for name in (RANDOM, *METHODS)}  # (photos, REMOVED)

    print("| removed | " + " | ".join(curves) + " |\n|---|" + "---|" * len(curves))
    for column, share in enumerate(REMOVED):
        print(f"| {share:.0%} | " + " | ".join(f"{curve[:, column].mean():+.2f}" for curve in curves.values()) + " |")
    areas = {name: np.trapezoid(curve, REMOVED, axis=1) / REMOVED[-1] for name, curve in curves.items()}  # (photos,)
    print("| mean | " + " | ".join(f"**{area.mean():+.3f}**" for area in areas.values()) + " |")
    against = [f"{low:+.3f} to {high:+.3f}" for low, high in (interval(areas[m] - areas[RANDOM]) for m in METHODS)]
    print(f"| less random, 95 % | | {' | '.join(against)} |")
    print(f"\n{len(measured)} photos, weights {model.generation}. {machine()}")
    if arguments.plot:
        plot(curves, arguments.plot)


def logit_changes(
    model: TrainedModel, photo: CaptionedPhoto, random: np.random.Generator
) -> dict[str, NDArray[np.floating]]:
    """The change of the ITM logit of the true caption at each share of `REMOVED`, by the order of removal."""
    processor, caption = model.processor, photo.captions[0]
    encoded = model.runtime.encode_image([photo.decode(processor.image_processor)])
    (features,), words = encoded.pixel_features, model.ranker.detect_words(encoded.pooled_features)
    size = photo.decode(processor.image_processor).shape[1::-1]
    orders = [random.permutation(len(features)) for _ in range(RANDOM_ORDERS)]
    for method in METHODS:
        runtime: Runtime = model.gradient_runtime if method == "relevance" else model.runtime
        heat = explain(runtime, processor, caption, features, words, (size[0], size[1]), method=method).overall
        orders.append(np.argsort(-heat.ravel(), kind="stable"))
    remaining = [features[np.sort(order[round(share * len(order)) :])] for order in orders for share in REMOVED]
    logits = model.runtime.itm_logits(model.runtime.encode_text([caption]), remaining).reshape(
        len(orders), len(REMOVED)
    )
    logits -= logits[:, :1]
    return {RANDOM: logits[:RANDOM_ORDERS].mean(axis=0)} | dict(zip(METHODS, logits[RANDOM_ORDERS:], strict=True))


def interval(differences: NDArray[np.floating]) -> tuple[float, float]:
    """The 95 % interval of the mean of `differences`, by a bootstrap over photos."""
    rows = np.random.default_rng(0).integers(0, len(differences), (RESAMPLES, len(differences)))
    low, high = np.quantile(differences[rows].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def plot(curves: dict[str, NDArray[np.floating]], path: Path) -> None:
    """Draw the logit change of each method minus that of random removal, with 95 % intervals."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams["svg.hashsalt"] = "pixelseek"
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    percent: Sequence[float] = [100 * share for share in REMOVED]
    axes.axhline(0, color="0.6", linestyle="--", label=RANDOM)
    for method, marker, colour in zip(METHODS, "os^", ("#0072B2", "#E69F00", "#CC79A7"), strict=True):
        beyond = curves[method] - curves[RANDOM]
        low, high = zip(*(interval(beyond[:, column]) for column in range(len(REMOVED))), strict=True)
        axes.plot(percent, beyond.mean(axis=0), marker=marker, color=colour, label=method)
        axes.fill_between(percent, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_xlabel("hottest pixel tokens removed, %")
    axes.set_ylabel("ITM logit, less that of random removal")
    axes.legend()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
