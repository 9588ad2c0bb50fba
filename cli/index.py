"""`pixelseek index`: make a library of folders of photos, or bring it up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from cli.options import (
    FILE,
    chosen_library,
    exclude_option,
    include_option,
    json_option,
    library_device_option,
    library_option,
    library_weights_option,
    open_model,
)
from cli.output import counted, print_json, printable, shown_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from tqdm import tqdm

    from indexer.cluster import ClusterEncoder
    from indexer.indexing import IndexProgress, IndexReport
    from indexer.library.status import LibraryStatus
    from model.bundle import TrainedModel

_FAILURES_SHOWN = 3
_UNREADABLE_SHOWN = 10


@click.command()
@click.argument("folders", type=FILE, metavar="FOLDER", nargs=-1, help="Default: every folder the library knows.")
@exclude_option
@include_option
@library_option
@library_weights_option
@library_device_option
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Have the machines of a Ray cluster encode the photos: HOST:PORT, or auto for the cluster of this machine.",
)
@json_option
def index(
    folders: tuple[Path, ...],
    exclude: tuple[str, ...],
    include: tuple[str, ...],
    library: Path | None,
    weights: str,
    device: str | None,
    cluster: str | None,
    as_json: bool,
) -> None:
    """Index folders of photos, or bring them up to date.

    Folders inside them are indexed too. Photos are read, never written. A second run does only what changed.
    Stop it at any time: the next run goes on from there. The exit status is 1 when a folder that you named could not be
    read; the others are indexed all the same.

    Left out by default are hidden names, rubbish bins, and what other programs keep for themselves (`pixelseek status
    --json` lists them). --exclude leaves out more, --include reads what would be left out. Both take patterns of names
    or of paths in the folder, as in a .gitignore file, in any case.

    --cluster has other machines read and encode, which need the photos at the same path; docs/scale.md says more.

    \b
    Example: pixelseek index ~/Pictures /media/camera
             pixelseek index --cluster auto /mnt/archive
    """
    report, status = index_photos(
        chosen_library(library),
        folders or [],
        weights,
        device=device,
        exclude=exclude or None,
        include=include or None,
        cluster=cluster,
    )
    if as_json:
        print_json(asdict(report))
    else:
        print_report(report, status)
    for path, reason in report.not_read:
        click.echo(f"pixelseek: error: {printable(path)} could not be read: {reason}", err=True)
    if report.not_read:
        sys.exit(1)


def index_photos(
    library: Path,
    folders: Sequence[Path],
    weights: str,
    *,
    device: str | None = None,
    exclude: Sequence[str] | None = None,
    include: Sequence[str] | None = None,
    cluster: str | None = None,
) -> tuple[IndexReport, LibraryStatus]:
    """Index `folders` behind a progress bar; the report, and the status of the library after it."""
    from indexer.indexing import index_folders
    from indexer.library.view import LibraryView

    model = open_model(weights, library, device)
    with (
        LibraryView.open(
            library, generation=model.generation, photo_vectors=model.photo_vectors, create=bool(folders)
        ) as opened,
        _encoder(model, cluster) as encoder,
        _photo_bar() as progress,
        _counting_bar("Search index") as index_progress,
        _counting_bar("Reading text") as text_progress,
    ):
        report = index_folders(
            opened,
            folders,
            processor=model.processor.image_processor,
            load_runtime=lambda: model.runtime,
            encoder=encoder,
            weights=model.lasting_name,
            progress=progress,
            index_progress=index_progress,
            text_progress=text_progress,
            exclude=exclude,
            include=include,
        )
        return report, opened.status()


@contextmanager
def _encoder(model: TrainedModel, cluster: str | None) -> Iterator[ClusterEncoder | None]:
    """The encoder of the cluster at that address; None where this machine encodes."""
    if cluster is None:
        yield None
        return
    from indexer.cluster import WorkerSettings, connected

    settings = WorkerSettings(model.lasting_name, model.generation, model.processor.image_processor)
    with connected(cluster, settings, device=model.device) as encoder:
        workers = encoder.workers
        kind = "a GPU" if workers.gpus else counted(workers.cpus, "CPU")
        click.echo(f"The cluster has room for {counted(workers.count, 'worker')} with {kind} each.", err=True)
        yield encoder


def print_report(report: IndexReport, status: LibraryStatus | None = None) -> None:
    """Say what an indexing run did, in a line, and what it could not read; with `status` also what the library has."""
    failures = status.failures if status else []
    always = ("new", "unchanged")
    counts = [f"{count:,} {name}" for name, count in report.counts().items() if count or name in always]
    if report.unreadable:
        counts.append(f"{len(report.unreadable):,} could not be looked at")
    click.echo(f"Files: {', '.join(counts)} ({report.seconds:.1f} s)")
    if status and status.locations > (photos := status.photos + status.waiting):
        click.echo(f"  {counted(photos, 'photo')} in {status.locations:,} files: copies of the same bytes count once")
    for path, reason in [*report.unreadable[:_UNREADABLE_SHOWN], *failures[:_FAILURES_SHOWN]]:
        click.echo(f"  {shown_path(path)}: {reason}")
    if len(report.unreadable) > _UNREADABLE_SHOWN:
        click.echo("  ... `pixelseek index --json` lists all that could not be read")
    if len(failures) > _FAILURES_SHOWN:
        click.echo("  ... `pixelseek status` shows more")
    if report.waiting:
        click.echo(
            f"  {report.waiting:,} photos could not be encoded by these weights: the ones before go on searching"
        )
    for path in report.left_out:
        click.echo(f"  {printable(path)}: left out of the folder around it; --include reads it")
    for path in report.offline:
        click.echo(f"  {printable(path)}: cannot be reached; its photos are kept")


@contextmanager
def _photo_bar() -> Iterator[Callable[[IndexProgress], None]]:
    """A progress bar on standard error, from the first half second on; a line every few seconds in a log file."""
    with _bar("Indexing") as bar:

        def show(progress: IndexProgress) -> None:
            bar.total = progress.total
            if progress.failed:
                bar.set_postfix(skipped=progress.failed, refresh=False)
            bar.update(progress.done - bar.n)

        yield show


@contextmanager
def _counting_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Another one, for what is done when the photos are encoded."""
    with _bar(label) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            if done == total:
                bar.close()  # the next one stands below it, and the time of this one is over

        yield show


def _bar(label: str) -> tqdm[NoReturn]:
    from tqdm import tqdm

    interval = 0.1 if sys.stderr.isatty() else 5.0
    return tqdm(desc=label, unit=" photos", delay=0.5, mininterval=interval, dynamic_ncols=True)
