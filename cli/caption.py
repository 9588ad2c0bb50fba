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
@click.option("--favourite/--no-favourite", default=None, help="Make it a favourite, or none. Default: left as it is.")
@library_option
@json_option
def caption(
    photo: Path,
    text: str | None,
    tag: tuple[str, ...],
    untag: tuple[str, ...],
    favourite: bool | None,
    library: Path | None,
    as_json: bool,
) -> None:
    """Write a caption or tags of a photo, mark it as a favourite, or print them.

    They are kept in the library, the file is left alone. A search that names their words finds the photo. The filters
    tag:NAME and favourite:yes find it too.

    Example: pixelseek caption ~/Pictures/1012.jpg "Aunt Mary blows out the candles" --tag birthday --favourite
    """
    from indexer.library.library import Library

    with Library.open(chosen_library(library)) as opened:
        known = opened.photo_at(photo)
        if text is not None or tag or untag or favourite is not None:
            opened.edit_annotation(
                known.id, lambda before: before.edited(caption=text, tag=tag, untag=untag, favourite=favourite)
            )
            known = opened.photo_at(photo)
        found_text = opened.found_text(known.id)
    if as_json:
        from web.schema.photos import PhotoAnswer  # one shape with the API

        print_json(PhotoAnswer.of(known, found_text).model_dump())
    else:
        click.echo(f"Caption    {printable(known.caption or '-')}")
        click.echo(f"Tags       {printable(', '.join(known.tags) or '-')}")
        click.echo(f"Favourite  {'yes' if known.favourite else 'no'}")
