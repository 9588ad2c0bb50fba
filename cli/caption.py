"""`pixelseek caption`: write about a photo, to find it again."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, chosen_library, json_option, library_option
from cli.output import print_json, printable


@click.command()
@click.argument("photo", type=FILE, metavar="FILE", help="A photo of the library.")
@click.argument("text", required=False, help='The caption; "" removes it. Default: left as it is.')
@click.option("--tag", multiple=True, help="Add a tag; name the option again for more.")
@click.option("--untag", multiple=True, help="Remove a tag.")
@library_option
@json_option
def caption(
    photo: Path,
    text: str | None,
    tag: tuple[str, ...],
    untag: tuple[str, ...],
    library: Path | None,
    as_json: bool,
) -> None:
    """Write a caption or tags of a photo, or print them.

    They are kept in the library, the file is left alone. A search that names their words finds the photo.

    Example: pixelseek caption ~/Pictures/1012.jpg "Aunt Mary blows out the candles" --tag birthday
    """
    from indexer.library.library import Library

    with Library.open(chosen_library(library)) as opened:
        known = opened.photo_at(photo)
        tags = [name for name in [*known.tags, *(tag or ())] if name not in (untag or ())]
        if text is not None or tags != known.tags:
            opened.annotate(known.id, caption=known.caption if text is None else text, tags=tags)
            known = opened.photo_at(photo)
    if as_json:
        print_json({"path": known.path, "caption": known.caption, "tags": known.tags})
    else:
        click.echo(f"Caption  {printable(known.caption or '-')}")
        click.echo(f"Tags     {printable(', '.join(known.tags) or '-')}")
