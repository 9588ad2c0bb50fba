"""`pixelseek search`: find photos by a sentence."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import JsonOption, LibraryOption, WeightsOption, chosen_library
from cli.output import print_hits, print_json
from model.weights import DEFAULT


def search(
    sentence: Annotated[str, typer.Argument(help="What the photos show, in English; filters and -words too.")],
    limit: Annotated[int, typer.Option(min=1, help="How many photos to print.")] = 20,
    shortlist: Annotated[
        int, typer.Option(min=1, help="How many photos to rerank: more is slower and finds more.")
    ] = 64,
    rerank: Annotated[
        bool, typer.Option("--rerank/--no-rerank", help="Rerank the shortlist, or stop at its order.")
    ] = True,
    without: Annotated[
        list[str] | None, typer.Option(metavar="WORDS", help="What they shall not show; also -WORD in the sentence.")
    ] = None,
    after: Annotated[
        list[str] | None, typer.Option(metavar="DATE", help="Taken then or later: 2021, 2021-07 or 2021-07-14.")
    ] = None,
    before: Annotated[list[str] | None, typer.Option(metavar="DATE", help="Taken earlier than that.")] = None,
    taken: Annotated[
        list[str] | None, typer.Option(metavar="DATE", help="Taken in that year, in that month, on that day.")
    ] = None,
    camera: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A part of the camera's name.")] = None,
    lens: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A part of the lens' name.")] = None,
    folder: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A folder's path, or its name.")] = None,
    near: Annotated[
        list[str] | None, typer.Option(metavar="LAT,LON,KM", help="Taken within so many kilometres of a place.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option("--type", metavar="SUFFIX", help="jpg, png, heic, ...")] = None,
    library: LibraryOption = None,
    weights: WeightsOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Find photos by a sentence, best first.

    The percentage is the probability that the photo matches. Below a line come
    the weaker matches. Photos past the shortlist have none.

    Words to keep out and filters may stand in the sentence: "a beach -crowd taken:2021". Of a filter named twice,
    either will do.

    Example: pixelseek search "two children playing in the snow" --limit 5 --after 2021
    """
    from engine.query import parse_filter
    from engine.search import SearchEngine
    from indexer.filters import NO_FILTERS

    values = {
        "after": after,
        "before": before,
        "taken": taken,
        "camera": camera,
        "lens": lens,
        "folder": folder,
        "near": near,
        "type": kind,
    }
    filters = NO_FILTERS
    for name, value in ((name, value) for name, named in values.items() for value in named or ()):
        filters = filters.combined(parse_filter(name, value))
    with SearchEngine.open(chosen_library(library), weights=weights) as engine:
        result = engine.search(
            sentence, limit=limit, shortlist=shortlist, rerank=rerank, filters=filters, without=without or ()
        )
    if as_json:
        print_json(result.to_json())
    elif not result.hits:
        typer.echo("No photo fits the filters.", err=True)
    else:
        print_hits(result.hits, cutoff=result.cutoff)
