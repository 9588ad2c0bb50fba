"""`pixelseek caption`: write about a photo, to find it again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import JsonOption, LibraryOption, WeightsOption, chosen_library
from cli.output import print_json, printable
from model.weights import DEFAULT


def caption(
    photo: Annotated[Path, typer.Argument(metavar="FILE", help="A photo of the library.")],
    text: Annotated[str | None, typer.Argument(help='The caption; "" removes it. Default: left as it is.')] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Add a tag; name the option again for more.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="Remove a tag.")] = None,
    library: LibraryOption = None,
    weights: WeightsOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Write a caption or tags of a photo, or print them.

    They are kept in the library, the file is left alone. A search that names their words finds the photo.

    Example: pixelseek caption ~/Pictures/1012.jpg "Aunt Mary blows out the candles" --tag birthday
    """
    from indexer.library import Library
    from model.weights import find_weights, generation

    with Library.open(chosen_library(library), generation=generation(find_weights(weights))) as opened:
        known = opened.at(photo)
        tags = [one for one in [*known.tags, *(tag or ())] if one not in (untag or ())]
        if text is not None or tags != known.tags:
            opened.annotate(known.id, caption=known.caption if text is None else text, tags=tags)
            known = opened.at(photo)
    if as_json:
        print_json({"path": known.path, "caption": known.caption, "tags": known.tags})
    else:
        typer.echo(f"Caption  {printable(known.caption or '-')}")
        typer.echo(f"Tags     {printable(', '.join(known.tags) or '-')}")
