"""`pixelseek watch`: keep the library in step with its folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import FILE, chosen_library, library_option, library_weights_option

if TYPE_CHECKING:
    from indexer.indexing import IndexReport
    from indexer.library import LibraryLocked


@click.command()
@click.argument("folders", type=FILE, metavar="FOLDER", nargs=-1, help="Default: every folder the library knows.")
@library_option
@library_weights_option
def watch(folders: tuple[Path, ...], library: Path | None, weights: str) -> None:
    """Index folders, and then whatever changes in them, until Ctrl-C.

    Searches and `pixelseek serve` go on beside it, and find a new photo within seconds. A line is printed for every
    change.

    Example: pixelseek watch ~/Pictures
    """
    from indexer.library import Library
    from indexer.watching import watch_folders
    from model.trained import TrainedModel
    from model.weights import lasting_name

    model = TrainedModel(weights)
    with Library.open(chosen_library(library), generation=model.generation, create=bool(folders)) as opened:
        watch_folders(
            opened,
            folders or [],
            processor=model.processor,
            load_runtime=lambda: model.runtime,
            weights=lasting_name(weights),
            indexed=_say,
            delayed=_say_why,
        )


def _say(report: IndexReport) -> None:
    from cli.index import print_report

    if report.added or report.changed or report.moved or report.removed or report.offline:
        print_report(report, [])


def _say_why(error: LibraryLocked) -> None:
    click.echo(f"pixelseek: {error}", err=True)
