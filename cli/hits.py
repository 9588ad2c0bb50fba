"""What can be done with the photos that were found: open the first, copy the originals."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from cli.options import FILE
from cli.output import counted, printable
from engine.results import Hit
from model.errors import PixelseekError

open_option = click.option("--open", "open_first", is_flag=True, help="Open the first photo.")
copy_option = click.option(
    "--copy-to",
    type=FILE,
    metavar="DIR",
    help="Copy the files of these photos into this folder. No file there is replaced.",
)


class NotOpened(PixelseekError):  # noqa: N818
    """A photo could not be opened; the message says why."""


def use_hits(hits: Sequence[Hit], *, open_first: bool, copy_to: Path | None) -> None:
    """Do what the options say, and tell it on standard error. Exit status 1 where a file could not be copied."""
    if open_first and hits:
        _open(hits[0].path)
    if copy_to is not None and not _copy(hits, copy_to):
        sys.exit(1)


def _open(path: str) -> None:
    if not Path(path).is_file():
        raise NotOpened(f"{printable(path)} cannot be opened: it cannot be reached now.")
    if click.launch(path):
        raise NotOpened(f"{printable(path)} cannot be opened: this machine has no program to open it with.")


def _copy(hits: Sequence[Hit], folder: Path) -> bool:
    """Copy the files of these hits; whether all are in the folder now."""
    from cli.originals import copy_originals

    report = copy_originals([Path(hit.path) for hit in hits], folder)
    there = f", {len(report.present):,} there already" if report.present else ""
    click.echo(f"Copied {counted(len(report.copied), 'file')} to {printable(str(folder))}{there}", err=True)
    for source, target in report.copied:
        if source.name != target.name:
            click.echo(f"  {printable(str(source))} is {printable(target.name)} there", err=True)
    for path, reason in report.failed:
        click.echo(f"pixelseek: error: {printable(str(path))} was not copied: {printable(reason)}", err=True)
    return not report.failed
