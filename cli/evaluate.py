"""`pixelseek evaluate`: recall of a model on photos with captions."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

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
    exhaustive: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Also ITM on every sentence-photo pair of the first N photos."),
    ] = None,
    eccv: Annotated[
        bool, typer.Option("--eccv", help="Also ECCV Caption and CxC, on all of Karpathy's COCO test split.")
    ] = False,
    ranks: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Keep the rank of every query there (.npz), for --against."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What another run kept with --ranks: also print the differences to it."),
    ] = None,
    reliability: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Draw there how far the match is to be believed (.png)."),
    ] = None,
    weights: WeightsOption = DEFAULT,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    as_json: JsonOption = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a paper or a model card.")
    ] = False,
) -> None:
    """Measure how well a model finds photos.

    Recall at 1, 5 and 10 in both directions, before and after the rerank; docs/evaluation.md says how to read it.

    Example: pixelseek evaluate --data coco-000.tar --data coco-001.tar --split test --shortlist 64
    """
    from model.evaluation import evaluate_shards
    from model.evaluation.tables import markdown, text
    from model.pictures import reliability_diagram, require_matplotlib

    if as_json and as_markdown:
        raise typer.BadParameter("name --json or --markdown, not both")
    if reliability is not None:
        require_matplotlib()
        reliability.parent.mkdir(parents=True, exist_ok=True)
    report = evaluate_shards(
        weights,
        data,
        split=split.value,
        shortlists=shortlist or [64],
        captions=captions,
        fold=fold,
        exhaustive=exhaustive,
        eccv=eccv,
        ranks=ranks,
        against=against,
        device=device,
    )
    if reliability is not None:
        reliability_diagram(report["match"]["bins"], reliability)
    if as_json:
        print_json(report)
    else:
        typer.echo(markdown(report) if as_markdown else text(report))
