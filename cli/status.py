"""`pixelseek status`: what is in the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from cli.options import JsonOption, LibraryOption, WeightsOption, chosen_library
from cli.output import print_json, printable
from model.weights import DEFAULT

if TYPE_CHECKING:
    from indexer.library import LibraryStatus

_FAILURES_SHOWN = 10


def status(
    library: LibraryOption = None,
    weights: WeightsOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Say what is in the library.

    Lists the files that could not be read as photos, with the reason.

    Example: pixelseek status --json
    """
    from indexer.library import Library
    from model.weights import find_weights, generation

    with Library.open(chosen_library(library), generation=generation(find_weights(weights))) as opened:
        found = opened.status()
    if as_json:
        print_json(_as_json(found))
    else:
        _print_summary(found)


def _as_json(status: LibraryStatus) -> dict[str, Any]:
    return {
        "library": str(status.path),
        "photos": status.photos,
        "waiting": status.waiting,
        "failed": status.failed,
        "failures": [{"path": path, "reason": reason} for path, reason in status.failures],
        "folders": [
            {"path": folder.path, "online": folder.online, "files": folder.locations} for folder in status.folders
        ],
        "bytes": status.bytes_on_disk,
        "generation": status.generation,
        "index_fresh": status.index_fresh,
    }


def _print_summary(status: LibraryStatus) -> None:
    rows = [("Library", printable(str(status.path))), ("Photos", f"{status.photos:,}")]
    if status.waiting:
        rows.append(("Waiting", f"{status.waiting:,} not encoded by these weights yet: pixelseek index"))
    for folder in status.folders:
        away = "" if folder.online else ", not reachable now"
        rows.append(("Folder", f"{printable(folder.path)} ({folder.locations:,} files{away})"))
    rows.append(("Size", f"{status.bytes_on_disk / 1e6:,.1f} MB"))
    rows.append(("Skipped", f"{status.failed:,}"))
    for name, value in rows:
        typer.echo(f"{name:9}{value}")
    for path, reason in status.failures[:_FAILURES_SHOWN]:
        typer.echo(f"  {printable(path)}: {reason}")
    if status.failed > _FAILURES_SHOWN:
        typer.echo(f"  and {status.failed - _FAILURES_SHOWN:,} more: pixelseek status --json lists them all")
