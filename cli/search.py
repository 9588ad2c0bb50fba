"""`pixelseek search`: find photos by a sentence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.hits import copy_option, open_option, use_hits
from cli.options import (
    chosen_library,
    json_option,
    library_device_option,
    library_option,
    library_weights_option,
    open_model,
)
from cli.output import print_json, print_result
from cli.sentences import SentenceCommand, as_typed
from cli.thumbnails import drawing, thumbnails_option

if TYPE_CHECKING:
    from model.bundle import TrainedModel


@click.command(cls=SentenceCommand)
@click.argument(
    "words",
    nargs=-1,
    metavar="SENTENCE",
    help="What the photos show, in English; filters and -words too. It need not be in quotes.",
)
@click.option("--limit", type=click.IntRange(min=1), default=20, help="How many photos to print.")
@click.option(
    "--shortlist",
    type=click.IntRange(min=1),
    help="How many photos to rerank: more is slower and finds more. Default: the library's setting, at first 64.",
)
@click.option("--rerank/--no-rerank", default=True, help="Rerank the shortlist, or stop at its order.")
@click.option(
    "--without", metavar="WORDS", multiple=True, help="What the photos must not show; or -WORD in the sentence."
)
@click.option("--after", metavar="DATE", multiple=True, help="Taken then or later: 2021, 2021-07 or 2021-07-14.")
@click.option("--before", metavar="DATE", multiple=True, help="Taken earlier than that.")
@click.option("--taken", metavar="DATE", multiple=True, help="Taken in that year, in that month, on that day.")
@click.option("--camera", metavar="NAME", multiple=True, help="A part of the camera's name.")
@click.option("--lens", metavar="NAME", multiple=True, help="A part of the lens' name.")
@click.option("--folder", metavar="NAME", multiple=True, help="A folder's path, or its name.")
@click.option("--place", metavar="NAME", multiple=True, help="Taken in that city, region or country.")
@click.option("--near", metavar="CITY|LAT,LON,KM", multiple=True, help="Taken around a place: munich, munich,50, ...")
@click.option("--type", metavar="SUFFIX", multiple=True, help="jpg, png, heic, ...")
@click.option("--tag", metavar="TAG", multiple=True, help="Has that tag, or that keyword in its file.")
@click.option("--text", metavar="WORDS", multiple=True, help="Words that can be read in the photo.")
@click.option("--favourite", metavar="yes|no", multiple=True, help="Is a favourite, or is none.")
@click.option("--verbose", "-v", is_flag=True, help="Print the match of each photo too, as a percentage.")
@thumbnails_option
@open_option
@copy_option
@library_option
@library_weights_option
@library_device_option
@json_option
def search(
    words: tuple[str, ...],
    limit: int,
    shortlist: int | None,
    rerank: bool,
    without: tuple[str, ...],
    verbose: bool,
    thumbnails: bool,
    open_first: bool,
    copy_to: Path | None,
    library: Path | None,
    weights: str,
    device: str | None,
    as_json: bool,
    **filter_options: tuple[str, ...],
) -> None:
    """Find photos by a sentence, best first.

    They come in two groups, Best and More like this. Where nothing in the
    library is like the sentence, the nearest photos come without groups. With
    --verbose each photo has its match: the probability that a person says that
    the photo fits the sentence. Photos past the shortlist have none.

    Excluded terms and filters may stand in the sentence: "a beach -crowd taken:2021". Of a filter named twice,
    either will do. A shell takes the quotes off: 'a dog camera:"EOS 80D"', or --camera "EOS 80D".

    Filters without a sentence list the photos by date, newest first.

    Example: pixelseek search "two children playing in the snow" --limit 5 --after 2021
    """
    if not words and not any(filter_options.values()):
        raise click.UsageError("Missing argument 'SENTENCE'.")
    with ThreadPoolExecutor(max_workers=1) as side:
        model = side.submit(_load, weights, library, device, rerank)  # beside the imports, which take as long
        from engine.query import parse
        from engine.search import SearchEngine

    query = parse(as_typed(words))
    for name, value in ((name, value) for name, named in filter_options.items() for value in named):
        query = query.filtered(name, value)
    with SearchEngine.over(chosen_library(library), model.result()) as engine:
        result = engine.search(query, limit=limit, shortlist=shortlist, rerank=rerank, exclude=without)
    if as_json:
        print_json(result.to_json())
    else:
        options = [] if library is None else ["--library", str(library)]
        with drawing(wanted=thumbnails) as draw:
            print_result(result, verbose=verbose, options=options, draw=draw)
    use_hits(result.hits, open_first=open_first, copy_to=copy_to)


def _load(weights: str, library: Path | None, device: str | None, rerank: bool) -> TrainedModel:
    model = open_model(weights, library, device)
    model.prepare(rerank=rerank)
    return model
