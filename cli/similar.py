"""`pixelseek similar`: find photos by a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import JsonOption, LibraryOption, WeightsOption, chosen_library
from cli.output import print_hits, print_json
from model.weights import DEFAULT


def similar(
    photo: Annotated[Path, typer.Argument(metavar="FILE", help="A photo, in the library or not.")],
    limit: Annotated[int, typer.Option(min=1, help="How many photos to print.")] = 20,
    library: LibraryOption = None,
    weights: WeightsOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Find the photos most similar to one, best first.

    The number is the similarity, at most 1. The photo itself is left out. One that is not in the library is
    compared and not stored.

    Example: pixelseek similar ~/Pictures/beach.jpg --limit 5
    """
    from engine.search import SearchEngine

    with SearchEngine.open(chosen_library(library), weights=weights) as engine:
        hits = engine.similar(photo.expanduser(), limit=limit)
    if as_json:
        print_json({"photo": str(photo), "hits": [hit.to_json() for hit in hits]})
    else:
        print_hits(hits)
