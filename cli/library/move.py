"""`pixelseek library move`: a folder of photos lies somewhere else now, or the catalog shall."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.options import FILE, chosen_library, json_option, library_option
from cli.output import print_json, printable

_URL = re.compile(r"[a-z][a-z0-9+]*://")


class _FolderOrUrl(click.ParamType[Path | str]):
    """A folder, or the URL of a catalog."""

    name = "folder or URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """To a path, or the URL as it is."""
        return value if isinstance(value, str) and _URL.match(value) else FILE.convert(value, param, ctx)


@click.command()
@click.argument("source", type=_FolderOrUrl(), metavar="FROM", help="A folder of the library, or its catalog's URL.")
@click.argument("target", type=_FolderOrUrl(), metavar="TO", help="Where it lies now, or shall be moved to.")
@library_option
@json_option
def move(source: Path | str, target: Path | str, library: Path | None, as_json: bool) -> None:
    """Note that a folder of photos lies somewhere else now, or move the catalog to another database.

    A folder of photos: move it yourself first, for example to a new disk. No file is touched, and nothing is read or
    encoded again.

    The catalog: name it as the setting `catalog` does, and stop whatever uses the library. The copy is compared with
    the catalog before it is used, and the old one is kept. A move that was interrupted is given again.

    \b
    Example: pixelseek library move /media/old/Pictures /media/new/Pictures
             pixelseek library move sqlite:/// postgresql+psycopg://pixelseek@db.example/photos
    """
    if isinstance(source, str) and isinstance(target, str):
        _move_catalog(chosen_library(library), source, target, as_json=as_json)
    elif isinstance(source, Path) and isinstance(target, Path):
        _move_folder(chosen_library(library), source, target, as_json=as_json)
    else:
        raise click.UsageError("name two folders, or two URLs of a catalog.")


def _move_catalog(library: Path, source: str, target: str, *, as_json: bool) -> None:
    from tqdm import tqdm

    from indexer.library.moving import move_catalog

    with tqdm(desc="Moving", unit=" rows", delay=0.5, dynamic_ncols=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = move_catalog(library, source, target, progress=show)
    if as_json:
        print_json(asdict(report))
        return
    click.echo(f"The catalog is at {printable(report.target)} now: {report.rows:,} rows, each the same as before.")
    click.echo(f"The old one is kept until you delete it: {printable(report.kept)}")


def _move_folder(library: Path, source: Path, target: Path, *, as_json: bool) -> None:
    from indexer.library.view import LibraryView
    from indexer.library.writer import LibraryWriter

    with LibraryView.open(library) as view, LibraryWriter.lock(view) as writer:
        report = writer.move_folder(source, target)
    if as_json:
        print_json(asdict(report))
    else:
        click.echo(f"{printable(report.folder)} lies at {printable(report.target)} now: {report.files:,} files")
