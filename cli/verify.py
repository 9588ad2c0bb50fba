"""`pixelseek verify`: is the library sound?"""

from __future__ import annotations

from dataclasses import asdict

import typer

from cli.options import JsonOption, LibraryOption, WeightsOption, chosen_library
from cli.output import print_json, printable
from model.weights import DEFAULT


def verify(library: LibraryOption = None, weights: WeightsOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Check that the library is sound.

    Compares catalog, encodings, search index and disk. Exit status 1 where they disagree.

    Example: pixelseek verify
    """
    from indexer.library import Library
    from indexer.verification import verify as problems_of
    from model.weights import find_weights, generation

    with Library.open(chosen_library(library), generation=generation(find_weights(weights))) as opened:
        problems = problems_of(opened)
    if as_json:
        print_json({"problems": [asdict(problem) for problem in problems]})
    else:
        for problem in problems:
            typer.echo(printable(str(problem)))
        if not problems:
            typer.echo("No problems.")
    raise typer.Exit(1 if problems else 0)
