"""`pixelseek status`: what is in the library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import chosen_library, json_option, library_option, viewed_generation, viewed_weights_option
from cli.output import counted, print_json, printable, shown_path

if TYPE_CHECKING:
    from indexer.library.status import LibraryStatus

_FAILURES_SHOWN = 10
_KINDS_SHOWN = 8


@click.command()
@library_option
@viewed_weights_option
@json_option
def status(library: Path | None, weights: str | None, as_json: bool) -> None:
    """Say what is in the library.

    Lists the files that could not be read as photos, with the reason.

    Example: pixelseek status --json
    """
    from indexer.library.defaults import recorded_weights
    from indexer.library.view import LibraryView

    folder = chosen_library(library)
    with LibraryView.open(folder, generation=viewed_generation(weights)) as opened:
        status = opened.status()
    name = weights or recorded_weights(folder)
    if as_json:
        from web.schema.status import StatusAnswer  # one shape with the API

        print_json(StatusAnswer.of(status, name).model_dump())
    else:
        _print_summary(status, name)


def _print_summary(status: LibraryStatus, weights: str | None) -> None:
    from indexer.library.defaults import CATALOG_FILE

    rows = [("Library", printable(str(status.path))), ("Photos", f"{status.photos:,}{_copies(status)}")]
    if status.catalog != CATALOG_FILE:
        rows.insert(1, ("Catalog", printable(status.catalog)))
    if status.files:
        rows.append(("Files", f"pixel features and thumbnails in {printable(status.files)}"))
    if status.waiting:
        rows.append(("Waiting", f"{status.waiting:,} not encoded by these weights yet: pixelseek index"))
    for folder in status.folders:
        away = "" if folder.online else ", not reachable now"
        rows.append(("Folder", f"{printable(folder.path)} ({folder.locations:,} files{away})"))
        for name, patterns in (("Left out", folder.exclude), ("Read", folder.include)):
            if patterns:
                rows.append(("", f"{name} of it: {printable(', '.join(patterns))}"))
    if status.generation:
        rows.append(("Model", f"{printable(weights or 'unknown')} (generation {status.generation})"))
    rows.append(("Text", _text(status)))
    fresh = "covers every photo" if status.index_fresh else f"covers {status.index_covers:,} of {status.encodings:,}"
    rows.append(
        ("Index", fresh if status.index_fresh else f"{fresh}; the rest are compared beside it: pixelseek index")
    )
    rows.append(("Search", status.search))
    rows.append(("Size", f"{status.bytes_on_disk / 1e6:,.1f} MB"))
    for generation, size in status.other_generations.items():
        rows.append(("Other", f"{size / 1e6:,.1f} MB made by other weights: *-{generation}.* may be deleted"))
    rows.append(("Skipped", f"{status.failed:,}"))
    if status.passed_over:
        rows.append(("Not read", _passed_over(status.passed_over)))
    for name, value in rows:
        click.echo(f"{name:9}{value}")
    for path, reason in status.failures[:_FAILURES_SHOWN]:
        click.echo(f"  {shown_path(path)}: {reason}")
    if status.failed > _FAILURES_SHOWN:
        click.echo(f"  and {status.failed - _FAILURES_SHOWN:,} more: pixelseek status --json lists them all")


def _text(status: LibraryStatus) -> str:
    """In how many photos text was looked for, and how many wait."""
    from indexer.text_extra import models_folder, reads_text

    read = f"read in {counted(status.text_read, 'photo')}"
    if not status.text_waiting:
        return read
    if reads_text(status.path):
        return f"{read}, {status.text_waiting:,} wait: pixelseek index"
    missing = "pip install 'pixelseek[text]'" if models_folder() is None else "pixelseek config read_text true"
    return f"{read}; to read it in {status.text_waiting:,} more: {missing}"


def _passed_over(kinds: dict[str, int]) -> str:
    """Such as `37 files of kinds that are not read: .mp4 30, .pdf 7`."""
    shown = [f"{kind} {files:,}" for kind, files in list(kinds.items())[:_KINDS_SHOWN]]
    if rest := list(kinds.values())[_KINDS_SHOWN:]:
        shown.append(f"{len(rest):,} more kinds {sum(rest):,}")
    return f"{sum(kinds.values()):,} files of kinds that are not read: {', '.join(shown)}"


def _copies(status: LibraryStatus) -> str:
    """Why there are more files than photos, where there are."""
    is_more = status.locations > status.photos + status.waiting
    return f" (in {status.locations:,} files: copies of the same bytes count once)" if is_more else ""
