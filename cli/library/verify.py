"""`pixelseek library verify`: is the library sound?"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import (
    chosen_library,
    json_option,
    library_device_option,
    library_option,
    named_weights_option,
    open_model,
    viewed_generation,
)
from cli.output import print_json, printable

if TYPE_CHECKING:
    from indexer.encoding_check import EncodingCheck
    from indexer.library.view import LibraryView

_SAMPLE = 64
_OTHERS = (
    "photos that were encoded again are stored as other weights see them, and there may be more; "
    "`pixelseek library verify --repair` makes them again"
)


@click.command()
@click.option("--repair", is_flag=True, help="Make again what is not sound.")
@library_option
@named_weights_option
@library_device_option
@json_option
def verify(repair: bool, library: Path | None, weights: str | None, device: str | None, as_json: bool) -> None:
    """Check that the library is sound.

    Compares catalog, encodings, search index and disk, and encodes some photos again. Exit status 1 where they
    disagree. With --repair, everything that Pixelseek made itself is made again where it is not sound, and the folders
    are indexed.

    Example: pixelseek library verify --repair
    """
    from indexer.library.errors import LibraryError
    from indexer.library.verification import Problem
    from indexer.library.verification import verify as problems_of
    from indexer.library.view import LibraryView
    from model.weights import WeightsError

    folder = chosen_library(library)
    if repair:
        _repair(folder, weights, device)
    compared, why_not = 0, ""
    with LibraryView.open(folder, generation=viewed_generation(weights)) as opened:
        problems = problems_of(opened)
        try:
            comparison = _compare(opened, weights, device)
        except WeightsError as error:
            why_not = str(error)
        except LibraryError:  # it is among the problems
            pass
        else:
            compared = comparison.compared
            if comparison.mismatched:
                name = opened.encodings.path.name
                problems.append(Problem(name, f"{len(comparison.mismatched)} of {compared} {_OTHERS}"))
    if as_json:
        print_json({"problems": [asdict(problem) for problem in problems], "compared": compared})
    else:
        for problem in problems:
            click.echo(printable(str(problem)))
        if not problems:
            click.echo("No problems.")
    if why_not:
        click.echo(f"pixelseek: no photo was encoded again to compare it: {printable(why_not)}", err=True)
    if problems:
        sys.exit(1)


def _compare(
    library: LibraryView, weights: str | None, device: str | None, *, all_photos: bool = False
) -> EncodingCheck:
    """Some photos encoded again. Raises WeightsError unless the weights are those that encoded the photos."""
    from indexer.encoding_check import EncodingCheck, check_encodings
    from indexer.library.defaults import recorded_weights
    from model.weights import DEFAULT, WeightsError

    if not library.photo_ids().size:
        return EncodingCheck()
    model = open_model(weights or recorded_weights(library.path) or DEFAULT, library.path, device)
    if model.generation != library.generation:
        raise WeightsError(f"{model.folder} holds other weights than those that encoded the photos.")
    at_most = None if all_photos else _SAMPLE
    return check_encodings(library, model.processor.image_processor, lambda: model.runtime, at_most=at_most)


def _repair(library: Path, weights: str | None, device: str | None) -> None:
    from cli.index import index_photos
    from indexer.library.defaults import recorded_weights
    from indexer.library.view import LibraryView
    from indexer.library.writer import LibraryWriter, discard_damaged_encodings
    from model.weights import DEFAULT, find_weights, generation

    named = weights or recorded_weights(library) or DEFAULT
    model = generation(find_weights(named))
    discard_damaged_encodings(library, model)
    with LibraryView.open(library, generation=model) as opened:
        with LibraryWriter.lock(opened) as writer:
            writer.repair()
        if _compare(opened, named, device).mismatched:  # the sample had wrong ones: compare all photos
            mismatched = _compare(opened, named, device, all_photos=True).mismatched
            with LibraryWriter.lock(opened) as writer:
                writer.repair(mismatched)
    index_photos(library, [], named, device=device)
