"""`pixelseek remove`: take a folder out of the library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cli.options import JsonOption, LibraryOption, WeightsOption, chosen_library
from cli.output import print_json, printable
from model.weights import DEFAULT


def remove(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of the library.")],
    library: LibraryOption = None,
    weights: WeightsOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Take a folder out of the library. Your files are left alone.

    Its photos are no longer found. What was written about them is kept: indexed again, they are back at once.

    Example: pixelseek remove /media/camera
    """
    from indexer.library import Library
    from indexer.removal import remove_folder
    from model.weights import find_weights, generation

    with Library.open(chosen_library(library), generation=generation(find_weights(weights))) as opened:
        report = remove_folder(opened, folder)
    if as_json:
        print_json(asdict(report))
    else:
        typer.echo(f"Removed {printable(report.folder)}: {report.files:,} files, {report.photos:,} photos")
