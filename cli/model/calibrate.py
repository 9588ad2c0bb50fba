"""`pixelseek model calibrate`: fit the parameters of the score."""

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
def calibrate(
    data: tuple[Path | str, ...], weights: str, captions: int, shortlist: int, device: str, as_json: bool
) -> None:
    """Fit score, match and cut-off to the dev photos of shards, and write them into the folder of the weights.

    Training does this with few dev photos. This command uses all of them. If the shards hold train photos, it first
    learns word detectors and makes the querybank from them.

    Example: pixelseek model calibrate --weights runs/mine/weights --data coco-000.tar --data coco-001.tar
    """
    from model.scoring.fitting import fit_parameters
    from model.weights import find_weights

    folder = find_weights(weights)
    parameters = fit_parameters(folder, data, captions=captions, shortlist=shortlist, device=device)
    fitted, words = parameters.calibration, parameters.detectors
    if as_json:
        print_json({**asdict(fitted), "words": len(words.ids)})
        return
    log_odds = f" + {fitted.log_odds_scale:.3f} * log-odds of {len(words.ids):,} words" if len(words.ids) else ""
    click.echo(f"score = ITM logit{log_odds} + {fitted.similarity_scale:.2f} * (similarity - hubness)")
    click.echo(
        f"match = sigmoid({fitted.match_scale:.3f} * score {fitted.match_prior_scale:+.3f} * prior log-odds "
        f"{fitted.match_bias:+.3f}); the best have a match of at least {fitted.cutoff:.0%}"
    )
    click.echo(f"Written to {folder / 'scoring'}")
