"""`pixelseek verify`: is the library sound?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.options import JsonOption, LibraryOption, WeightsOption, chosen_library
from cli.output import print_json, printable
from model.weights import DEFAULT


def verify(
    repair: Annotated[bool, typer.Option("--repair", help="Make again what is not sound.")] = False,
    library: LibraryOption = None,
    weights: WeightsOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
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
            typer.echo(printable(str(problem)))
        if not problems:
            typer.echo("No problems.")
    raise typer.Exit(1 if problems else 0)


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
