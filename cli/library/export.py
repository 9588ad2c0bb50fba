"""`pixelseek library export`: what the library knows of its photos, for other programs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import click

from cli.options import chosen_library, library_option

_QUOTED = "\r\n"
"""What ends a row for a reader. A writer quotes a cell with one of these, if they are its own end of a row."""


@click.command()
@click.option(
    "--format", type=click.Choice(("jsonl", "csv")), default="jsonl", help="A JSON object a line, or a table."
)
@library_option
def export(format: str, library: Path | None) -> None:
    """Print what the library knows of its photos: paths, metadata, captions, tags.

    In a table, several values of one photo are separated by semicolons.

    Example: pixelseek library export > photos.jsonl
    """
    from indexer.library.exporting import FIELDS, exported_photos
    from indexer.library.library import Library

    with Library.open(chosen_library(library)) as opened:
        if format == "csv":
            click.echo(_row(FIELDS))
        for photo in exported_photos(opened):
            click.echo(_row(map(_cell, photo.values())) if format == "csv" else json.dumps(photo))


def _row(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator=_QUOTED).writerow(cells)
    return line.getvalue().removesuffix(_QUOTED)


def _cell(value: Any) -> Any:
    """One cell. A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    text = ";".join(value) if isinstance(value, list) else value
    if not isinstance(text, str):
        return text
    plain = text.encode("utf-8", "backslashreplace").decode()  # a path may be no text
    return f"'{plain}" if plain.startswith(("=", "+", "-", "@", "\t", "\r")) else plain
