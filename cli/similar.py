"""`pixelseek similar`: find photos by a photo."""

from __future__ import annotations

from pathlib import Path

import click

from cli.hits import copy_option, open_option, use_hits
from cli.options import FILE, chosen_library, json_option, library_device_option, library_option, library_weights_option
from cli.output import print_hits, print_json
from cli.thumbnails import drawing, thumbnails_option


@click.command()
@click.argument("photo", type=FILE, metavar="FILE", help="A photo, in the library or not.")
@click.option("--limit", type=click.IntRange(min=1), default=20, help="How many photos to print.")
@thumbnails_option
@open_option
@copy_option
@library_option
@library_weights_option
@library_device_option
@json_option
def similar(
    photo: Path,
    limit: int,
    thumbnails: bool,
    open_first: bool,
    copy_to: Path | None,
    library: Path | None,
    weights: str,
    device: str | None,
    as_json: bool,
) -> None:
    """Find the photos most similar to one, best first.

    The number is the similarity, at most 1. The photo itself is left out. One that is not in the library is
    compared and not stored.

    Example: pixelseek similar ~/Pictures/beach.jpg --limit 5
    """
    from engine.search import SearchEngine

    with SearchEngine.open(chosen_library(library), weights=weights, device=device) as engine:
        hits = engine.similar(photo, limit=limit)
    if as_json:
        print_json({"hits": [hit.to_json() for hit in hits]})
    else:
        with drawing(wanted=thumbnails) as draw:
            print_hits(hits, draw)
    use_hits(hits, open_first=open_first, copy_to=copy_to)
