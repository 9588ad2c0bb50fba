"""`pixelseek library backup`: copy what cannot be made again."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, chosen_library, library_option
from cli.output import printable, readable_size


@click.command()
@click.argument("file", type=FILE, metavar="FILE", help="A new file.")
@library_option
def backup(file: Path, library: Path | None) -> None:
    """Copy the library's catalog to a file, also while Pixelseek indexes.

    The catalog has the folders, the metadata of the photos, and everything that people wrote. All else in the library
    is made from it and the photos. To go back to a copy, put it in the place of catalog.sqlite.

    Example: pixelseek library backup ~/pixelseek-backup.sqlite
    """
    from indexer.library.library import Library

    target = file.absolute()
    with Library.open(chosen_library(library)) as opened:
        opened.back_up(target)
    click.echo(f"{printable(str(target))}: {readable_size(target.stat().st_size)}")
