"""What `pixelseek` says where no command is named: what there is, and what to do next."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import chosen_library
from cli.output import printable

_FIRST = (
    ("pixelseek index ~/Pictures", "index a folder of photos"),
    ("pixelseek serve", "or choose one in a browser"),
    ("pixelseek library demo", "no photos at hand? make a small library of sample photos"),
)
_THEN = (
    ('pixelseek search "a dog running on the beach"', "find photos"),
    ("pixelseek serve", "search in a browser"),
    ("pixelseek index", "look for new photos"),
)


def print_next_steps() -> None:
    """Say how many photos there are and how to search, or how to begin. Raises what `LibraryView.open` raises."""
    library = chosen_library(None)
    photos = _photo_count(library)
    if photos:
        click.echo(f"{photos:,} photo{'s' if photos > 1 else ''} in {printable(str(library))}")
    else:
        click.echo("Pixelseek finds your own photos with a sentence. There are no photos in your library yet.")
    click.echo()
    steps = _THEN if photos else _FIRST
    width = max(len(command) for command, _ in steps)
    for command, purpose in steps:
        click.echo(f"  {command:{width}}   {purpose}")
    click.echo("\n`pixelseek --help` lists all commands.")


def _photo_count(library: Path) -> int:
    """How many photos a search can find; 0 without a library."""
    from indexer.library.errors import LibraryMissing
    from indexer.library.view import LibraryView

    try:
        with LibraryView.open(library) as view:
            return len(view.photo_ids())
    except LibraryMissing:
        return 0
