"""`pixelseek search`: find photos by a sentence."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import JsonOption, LibraryOption, WeightsOption, chosen_library
from cli.output import print_hits, print_json
from model.weights import DEFAULT


def search(
    sentence: Annotated[str, typer.Argument(help="What the photos show, in English.")],
    limit: Annotated[int, typer.Option(min=1, help="How many photos to print.")] = 20,
    shortlist: Annotated[
        int, typer.Option(min=1, help="How many photos to rerank: more is slower and finds more.")
    ] = 64,
    rerank: Annotated[
        bool, typer.Option("--rerank/--no-rerank", help="Rerank the shortlist, or stop at its order.")
    ] = True,
    library: LibraryOption = None,
    weights: WeightsOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Find photos by a sentence, best first.

    The percentage is the probability that the photo matches. Below a line come
    the weaker matches. Photos past the shortlist have none.

    Example: pixelseek search "two children playing in the snow" --limit 5
    """
    from engine.search import SearchEngine

    with SearchEngine.open(chosen_library(library), weights=weights) as engine:
        result = engine.search(sentence, limit=limit, shortlist=shortlist, rerank=rerank)
    if as_json:
        print_json(result.to_json())
    else:
        print_hits(result.hits, cutoff=result.cutoff)
