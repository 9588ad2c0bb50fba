"""`pixelseek watch`: keep the library in step with its folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import (
    FILE,
    chosen_library,
    exclude_option,
    include_option,
    library_device_option,
    library_option,
    library_weights_option,
    log_file_option,
    open_model,
    verbose_option,
)

if TYPE_CHECKING:
    from indexer.indexing import IndexReport
    from indexer.library.errors import LibraryError


@click.command()
@click.argument("folders", type=FILE, metavar="FOLDER", nargs=-1, help="Default: every folder the library knows.")
@exclude_option
@include_option
@library_option
@library_weights_option
@library_device_option
@log_file_option
@verbose_option
def watch(
    folders: tuple[Path, ...],
    exclude: tuple[str, ...],
    include: tuple[str, ...],
    library: Path | None,
    weights: str,
    device: str | None,
    log_file: Path | None,
    verbose: bool,
) -> None:
    """Index folders, and then whatever changes in them, until Ctrl-C.

    Searches and `pixelseek serve` go on beside it, and find a new photo within seconds. A line is printed for every
    change.

    Example: pixelseek watch ~/Pictures
    """
    import logging

    from cli.index import print_report
    from cli.logs import logging_to
    from indexer.library.view import LibraryView
    from indexer.watching import watch_folders

    log = logging.getLogger("pixelseek.watch")

    reported: set[tuple[str, str]] = set()
    delay = ""

    def delayed(error: LibraryError) -> None:
        nonlocal delay
        if str(error) != delay:  # it is asked again every second
            delay = str(error)
            log.warning("%s", error)

    def indexed(report: IndexReport) -> None:
        """Print what a run did. What could not be read is reported once, not at every run."""
        nonlocal delay
        delay = ""
        unread = [entry for entry in [*report.not_read, *report.unreadable] if entry not in reported]
        reported.update(unread)
        if report.added or report.changed or report.moved or report.removed or report.offline:
            print_report(replace(report, unreadable=[], left_out=[]))
            if log_file is not None:  # on the terminal it stands already
                log.info(
                    "indexed: %s", ", ".join(f"{count:,} {name}" for name, count in report.counts().items() if count)
                )
                for path in report.offline:
                    log.warning("%s cannot be reached; its photos are kept", path)
        for path, reason in unread:
            log.warning("%s could not be read: %s", path, reason)

    chosen = chosen_library(library)
    with logging_to(log_file, verbose=verbose):
        model = open_model(weights, library, device)
        with LibraryView.open(
            chosen, generation=model.generation, photo_vectors=model.photo_vectors, create=bool(folders)
        ) as opened:
            log.info("watching the folders of the library %s", chosen)
            watch_folders(
                opened,
                folders or [],
                processor=model.processor.image_processor,
                load_runtime=lambda: model.runtime,
                weights=model.lasting_name,
                exclude=exclude or None,
                include=include or None,
                indexed=indexed,
                delayed=delayed,
            )
