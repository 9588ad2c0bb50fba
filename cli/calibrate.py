"""`pixelseek calibrate`: fit what the match percentage means."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from cli.options import DataOption, JsonOption, WeightsOption
from cli.output import print_json
from model.weights import DEFAULT


def calibrate(
    data: DataOption,
    weights: WeightsOption = DEFAULT,
    captions: Annotated[
        int, typer.Option(min=1, metavar="N", help="The first N captions of each photo are the queries.")
    ] = 1,
    shortlist: Annotated[int, typer.Option(min=1, metavar="K", help="How many candidates to rerank.")] = 16,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Fit score, match and cut-off to the dev photos of shards, and keep them with the weights.

    Training does it in passing, on the photos it looks at between epochs. This takes all of them.

    Example: pixelseek calibrate --weights runs/mine/weights --data coco-000.tar --data coco-001.tar
    """
    from model.recalibration import calibrate as fit
    from model.weights import find_weights

    folder = find_weights(weights)
    found = fit(folder, data, captions=captions, shortlist=shortlist, device=device)
    if as_json:
        print_json(asdict(found))
        return
    typer.echo(f"score = ITM logit + {found.similarity_scale:.2f} * similarity")
    typer.echo(
        f"match = sigmoid({found.match_scale:.3f} * score {found.match_bias:+.3f}), weak below {found.cutoff:.0%}"
    )
    typer.echo(f"Written to {folder / 'calibration.json'}")
