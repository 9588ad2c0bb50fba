"""`pixelseek library move`: a folder of photos lies somewhere else now, or a part of the library shall."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.options import FILE, chosen_library, json_option, library_option
from cli.output import print_json, printable

_URL = re.compile(r"[a-z][a-z0-9+.-]*://")
_CATALOG = re.compile(r"(sqlite|postgresql|postgresql\+psycopg)://")


class _FolderOrUrl(click.ParamType[Path | str]):
    """A folder, or the URL of a catalog or of files."""

    name = "folder or URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """To a path, or the URL as it is."""
        return value if isinstance(value, str) and _URL.match(value) else FILE.convert(value, param, ctx)


@click.command()
@click.argument("source", type=_FolderOrUrl(), metavar="FROM", help="A folder, or a URL as in the settings.")
@click.argument("target", type=_FolderOrUrl(), metavar="TO", help="Where it lies now, or shall be moved to.")
@library_option
@json_option
def move(source: Path | str, target: Path | str, library: Path | None, as_json: bool) -> None:
    """Note that a folder of photos lies somewhere else now, or move what a library consists of.

    A folder of photos: move it yourself first, for example to a new disk. No file is touched, and nothing is read or
    encoded again.

    The catalog, by URLs as the setting catalog has them: the copy is compared with the catalog before it is used, and
    the old one is kept.

    Pixel features, by URLs as the setting files has them; the library's own folder stands for itself. They are read
    again in the new place before it is used.

    The vectors, by the setting vectors: the next pixelseek index copies them there.

    For all but the first, stop whatever uses the library. A move that was interrupted is given again.

    \b
    Example: pixelseek library move /media/old/Pictures /media/new/Pictures
             pixelseek library move sqlite:/// postgresql+psycopg://pixelseek@db.example/photos
             pixelseek library move ~/archive s3://my-bucket/photos --library ~/archive
             pixelseek library move faiss milvus://db.example:19530/photos
    """
    folder = chosen_library(library)
    if isinstance(source, Path) and isinstance(target, Path):
        _move_folder(folder, source, target, as_json=as_json)
        return
    if any(isinstance(place, str) and _CATALOG.match(place) for place in (source, target)):
        if isinstance(source, Path) or isinstance(target, Path):
            raise click.UsageError("name two URLs of a catalog; sqlite:/// is that in the library's folder.")
        _move_catalog(folder, source, target, as_json=as_json)
        return
    if any(isinstance(place, str) and place.startswith("milvus://") for place in (source, target)):
        _move_vectors(folder, str(source), str(target), as_json=as_json)
        return
    _move_files(folder, _files(folder, source), _files(folder, target), as_json=as_json)


def _files(folder: Path, place: Path | str) -> str:
    """The value of the setting `files` for that place."""
    from indexer.library.paths import normalized
    from indexer.library.settings import FILES_IN_FOLDER

    if isinstance(place, str):
        return place
    if normalized(place) != normalized(folder):
        raise click.UsageError(f"{printable(str(place))} is not the folder of the library: {printable(str(folder))}")
    return FILES_IN_FOLDER


def _move_vectors(library: Path, source: str, target: str, *, as_json: bool) -> None:
    from indexer.library.moving import move_vectors
    from indexer.library.settings import without_password

    move_vectors(library, source, target)
    if as_json:
        print_json({"source": without_password(source), "target": without_password(target)})
        return
    click.echo(f"The vectors will be at {printable(without_password(target))}: pixelseek index copies them there.")


def _move_files(library: Path, source: str, target: str, *, as_json: bool) -> None:
    from tqdm import tqdm

    from indexer.library.moving_files import move_files

    with tqdm(desc="Moving", delay=0.5, dynamic_ncols=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = move_files(library, source, target, progress=show)
    if as_json:
        print_json(asdict(report))
        return
    what = "files" if source and target else "photos"
    place = printable(report.target or str(library))
    click.echo(f"The pixel features are in {place} now: {report.moved:,} {what}, each the same as before.")
    if report.kept:
        click.echo(f"The old ones are kept until you delete them: {printable(report.kept)}")


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
