"""`pixelseek verify`: is the library sound?"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from cli.options import chosen_library, json_option, library_option, library_weights_option
from cli.output import print_json, printable


@click.command()
@click.option("--repair", is_flag=True, help="Make again what is not sound.")
@library_option
@library_weights_option
@json_option
def verify(repair: bool, library: Path | None, weights: str, as_json: bool) -> None:
    """Check that the library is sound.

    Compares catalog, encodings, search index and disk. Exit status 1 where they disagree. With --repair, everything
    that Pixelseek made itself is made again where it is not sound, and the folders are indexed.

    Example: pixelseek verify --repair
    """
    from indexer.library import Library
    from indexer.verification import verify as problems_of
    from model.weights import find_weights, generation

    folder = chosen_library(library)
    if repair:
        _repair(folder, weights)
    with Library.open(folder, generation=generation(find_weights(weights))) as opened:
        problems = problems_of(opened)
    if as_json:
        print_json({"problems": [asdict(problem) for problem in problems]})
    else:
        for problem in problems:
            click.echo(printable(str(problem)))
        if not problems:
            click.echo("No problems.")
    if problems:
        sys.exit(1)


def _repair(library: Path, weights: str) -> None:
    from cli.index import index_photos
    from indexer.library import Library
    from indexer.repair import discard_damaged_encodings, repair
    from model.weights import find_weights, generation

    model = generation(find_weights(weights))
    discard_damaged_encodings(library, model)
    with Library.open(library, generation=model) as opened:
        repair(opened)
    index_photos(library, [], weights)
