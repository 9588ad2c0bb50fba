"""`pixelseek evaluate`: recall of a model on photos with captions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.options import DataOption, JsonOption, WeightsOption
from cli.output import print_json
from model.weights import DEFAULT

_DIRECTIONS = (("text_to_image", "photo by caption"), ("image_to_text", "caption by photo"))


class Split(StrEnum):
    """Which photos of the shards to evaluate on."""

    TEST = "test"
    DEV = "dev"
    ALL = "all"


def evaluate(
    data: DataOption,
    split: Annotated[Split, typer.Option(help="Which photos of the shards.")] = Split.TEST,
    shortlist: Annotated[
        list[int] | None,
        typer.Option(min=1, metavar="K", help="How many candidates to rerank; again for other depths. Default: 64."),
    ] = None,
    captions: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first N captions of each photo. Default: all.")
    ] = None,
    fold: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Also the mean over folds of N photos: 1000 for COCO 1K.")
    ] = None,
    weights: WeightsOption = DEFAULT,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure how well a model finds photos.

    Recall at 1, 5 and 10 in both directions, before and after the rerank.

    Example: pixelseek evaluate --data coco-000.tar --data coco-001.tar --split test --shortlist 64
    """
    from model.evaluation import evaluate_shards
    from model.weights import find_weights

    result = evaluate_shards(
        find_weights(weights),
        data,
        split=split.value,
        shortlists=shortlist or [64],
        captions=captions,
        fold=fold,
        device=device,
    )
    if as_json:
        print_json(result)
    else:
        _print_table(result)


def _print_table(result: dict[str, Any]) -> None:
    typer.echo(
        f"{result['photos']:,} photos, {result['captions']:,} captions, the best {result['shortlist']} reranked; "
        "recall in percent"
    )
    typer.echo(f"{'':30}{'@1':>7}{'@5':>7}{'@10':>7}")
    _print_recalls(result)
    if "folds" in result:
        typer.echo(f"mean of {result['folds']['count']} folds of {result['folds']['photos']:,} photos")
        _print_recalls(result["folds"])
    for direction, title in _DIRECTIONS:
        gain = result[direction]["rerank_gain_r@1"]
        typer.echo(
            f"{title}: rerank gains {gain['gain']:+.1f} points @1, 95 % interval {gain['low']:+.1f} to "
            f"{gain['high']:+.1f} ({result[direction]['pairs']:,} pairs)"
        )
    _print_match(result, result["photos"])
    if "folds" in result:
        _print_match(result["folds"], result["folds"]["photos"])
    if "hard_negatives" in result:
        found = result["hard_negatives"]
        typer.echo(
            f"caption above its hard negative, {found['cases']} cases: similarity {found['similarity']:.1f}, "
            f"ITM {found['itm']:.1f}, rerank {found['rerank']:.1f} (chance 50)"
        )
    typer.echo(", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in result["seconds"].items()))


def _print_recalls(result: dict[str, Any]) -> None:
    for direction, title in _DIRECTIONS:
        for name, figures in result[direction].items():
            if isinstance(figures, dict) and "r@1" in figures:
                cells = "".join(f"{figures[recall]:7.1f}" for recall in ("r@1", "r@5", "r@10"))
                typer.echo(f"{title}, {name:<{28 - len(title)}}{cells}")


def _print_match(result: dict[str, Any], photos: int) -> None:
    quality = result["match"]
    typer.echo(
        f"match of the first hit among {photos:,} photos, half the sentences without theirs: "
        f"AUROC {quality['auroc']:.3f}, ECE {quality['ece']:.3f}, "
        f"Brier {quality['brier']:.3f} (a constant: {quality['brier_constant']:.3f})"
    )
