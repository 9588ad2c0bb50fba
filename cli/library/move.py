"""`pixelseek library move`: a folder of photos lies somewhere else now."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cli.options import FILE, chosen_library, json_option, library_option
from cli.output import print_json, printable


@click.command()
@click.argument("folder", type=FILE, metavar="OLD", help="A folder of the library, as `pixelseek status` lists it.")
@click.argument("target", type=FILE, metavar="NEW", help="Where it lies now.")
@library_option
@json_option
def move(folder: Path, target: Path, library: Path | None, as_json: bool) -> None:
    """Note that a folder of photos lies somewhere else now, for example on a new disk.

    Move the folder yourself first: no file is touched. Nothing is read or encoded again.

    Example: pixelseek library move /media/old/Pictures /media/new/Pictures
    """
    from indexer.library.view import LibraryView
    from indexer.library.writer import LibraryWriter

    with LibraryView.open(chosen_library(library)) as view, LibraryWriter.lock(view) as writer:
        report = writer.move_folder(folder, target)
    if as_json:
        print_json(asdict(report))
    else:
        click.echo(f"{printable(report.folder)} lies at {printable(report.target)} now: {report.files:,} files")
