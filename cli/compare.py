"""`pixelseek compare`: whether a sentence is true of two photos."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, json_option, weights_option
from cli.output import print_json


@click.command()
@click.argument("left", type=FILE, metavar="LEFT", help="A photo, in a library or not.")
@click.argument("right", type=FILE, metavar="RIGHT", help="Another.")
@click.argument("sentence", help="What is said of the two, in English.")
@weights_option
@json_option
def compare(left: Path, right: Path, sentence: str, weights: str, as_json: bool) -> None:
    """Say how likely a sentence about two photos is true.

    Example: pixelseek compare a.jpg b.jpg "the left photo shows a dog, the right one a cat"
    """
    from engine.answers import compare_files

    true = compare_files(left.expanduser(), right.expanduser(), sentence, weights=weights)
    if as_json:
        print_json({"left": str(left), "right": str(right), "sentence": sentence, "true": round(true, 4)})
    else:
        click.echo(f"{true:.0%} true")
