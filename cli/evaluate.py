"""`pixelseek evaluate`: recall of a model on photos with captions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.options import DataOption, JsonOption, WeightsOption
from cli.output import print_json
from model.weights import DEFAULT


class Split(StrEnum):
    """Which photos of the shards to evaluate on."""

    TEST = "test"
    DEV = "dev"
    ALL = "all"


def evaluate(
    data: DataOption,
    split: Annotated[Split, typer.Option(help="Which photos of the shards.")] = Split.TEST,
    shortlist: Annotated[int, typer.Option(min=1, help="How many candidates to rerank.")] = 64,
    weights: WeightsOption = DEFAULT,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure how well a model finds photos.

    Recall at 1, 5 and 10 in both directions, before and after the rerank.

    Example: pixelseek evaluate --data coco-000.tar --data coco-001.tar --split test
    """
    from model.evaluation import evaluate_shards
    from model.weights import find_weights

    result = evaluate_shards(find_weights(weights), data, split=split.value, shortlist=shortlist, device=device)
    if as_json:
        print_json(result)
    else:
        _print_table(result, shortlist)


def _print_table(result: dict[str, Any], shortlist: int) -> None:
    typer.echo(f"{result['photos']:,} photos, {result['captions']:,} captions; recall in percent")
    typer.echo(f"{'':38}{'@1':>7}{'@5':>7}{'@10':>7}")
    for direction, title in (("text_to_image", "photo by caption"), ("image_to_text", "caption by photo")):
        for stage, name in (("shortlist", "shortlist"), ("rerank", f"best {shortlist} reranked")):
            recalls = result[direction][stage]
            cells = "".join(f"{recalls[f'r@{k}']:7.1f}" for k in (1, 5, 10))
            typer.echo(f"{title}, {name:<{36 - len(title)}}{cells}")
    typer.echo(", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in result["seconds"].items()))
