"""`pixelseek library remove`: take a folder out of the library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli.options import FILE, chosen_library, json_option, library_option
from cli.output import print_json, printable


@click.command()
@click.argument("folder", type=FILE, metavar="FOLDER", help="A folder of the library.")
@library_option
@json_option
def remove(folder: Path, library: Path | None, as_json: bool) -> None:
    """Take a folder out of the library. Your files are left alone.

    Its photos are no longer found. What was written about them is kept: indexed again, they are back at once.

    Example: pixelseek library remove /media/camera
    """
    from indexer.library.view import LibraryView
    from indexer.library.writer import LibraryWriter

    with LibraryView.open(chosen_library(library)) as opened, LibraryWriter.lock(opened) as writer:
        report = writer.remove_folder(folder)
    if as_json:
        print_json(asdict(report))
    else:
        click.echo(f"Removed {printable(report.folder)}: {report.files:,} files, {report.photos:,} photos")
