"""`pixelseek watch`: keep the library in step with its folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import LibraryOption, WeightsOption, chosen_library
from model.weights import DEFAULT

if TYPE_CHECKING:
    from indexer.indexing import IndexReport
    from indexer.library import LibraryLocked


def watch(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="FOLDER", help="Default: every folder the library knows.")
    ] = None,
    library: LibraryOption = None,
    weights: WeightsOption = DEFAULT,
) -> None:
    """Index folders, and then whatever changes in them, until Ctrl-C.

    Searches and `pixelseek serve` go on beside it, and find a new photo within seconds. A line is printed for every
    change.

    Example: pixelseek watch ~/Pictures
    """
    import functools

    from indexer.library import Library
    from indexer.watching import watch_folders
    from model.processor import PixelBertProcessor
    from model.runtime import load_runtime
    from model.weights import find_weights, generation

    folder = find_weights(weights)
    with Library.open(chosen_library(library), generation=generation(folder), create=bool(folders)) as opened:
        watch_folders(
            opened,
            folders or [],
            processor=PixelBertProcessor.from_pretrained(folder),
            load_runtime=functools.cache(lambda: load_runtime(folder)),
            indexed=_say,
            delayed=_say_why,
        )


def _say(report: IndexReport) -> None:
    from cli.index import print_report

    if report.added or report.changed or report.moved or report.removed or report.offline:
        print_report(report, [])


def _say_why(error: LibraryLocked) -> None:
    typer.echo(f"pixelseek: {error}", err=True)
