"""`pixelseek model calibrate`: learn words, and fit what the match percentage means."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli.options import data_option, device_option, json_option, weights_option
from cli.output import print_json


@click.command()
@data_option
@weights_option
@click.option(
    "--captions",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    help="The first N captions of each photo are the queries.",
)
@click.option("--shortlist", type=click.IntRange(min=1), metavar="K", default=16, help="How many candidates to rerank.")
@device_option
@json_option
def calibrate(data: tuple[Path, ...], weights: str, captions: int, shortlist: int, device: str, as_json: bool) -> None:
    """Fit score, match and cut-off to the dev photos of shards, and keep them with the weights.

    Training does it in passing, on the photos it looks at between epochs. This takes all of them, and first learns from
    the train photos, where the shards hold some, which words people use of what they show.

    Example: pixelseek model calibrate --weights runs/mine/weights --data coco-000.tar --data coco-001.tar
    """
    from model.scoring.fitting import fit_parameters
    from model.weights import find_weights

    folder = find_weights(weights)
    parameters = fit_parameters(folder, data, captions=captions, shortlist=shortlist, device=device)
    found, words = parameters.calibration, parameters.detectors
    if as_json:
        print_json({**asdict(found), "words": len(words.ids)})
        return
    evidence = f" + {found.log_odds_scale:.3f} * evidence of {len(words.ids):,} words" if len(words.ids) else ""
    click.echo(f"score = ITM logit{evidence} + {found.similarity_scale:.2f} * similarity")
    click.echo(
        f"match = sigmoid({found.match_scale:.3f} * score {found.match_bias:+.3f}), weak below {found.cutoff:.0%}"
    )
    click.echo(f"Written to {folder / 'scoring'}")
