"""`pixelseek explain`: where in a photo each word of a sentence looks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import FILE, json_option, weights_option
from cli.output import print_json

if TYPE_CHECKING:
    from PIL import Image

    from engine.explain import ExplainedFile

_LINE, _GAP = 18, 6  # pixels


@click.command()
@click.argument("photo", type=FILE, metavar="FILE", help="A photo, in a library or not.")
@click.argument("sentence", help="What it is held against.")
@click.option("--output", type=FILE, metavar="PNG", help="Where to draw it.")
@weights_option
@json_option
def explain(photo: Path, sentence: str, output: Path | None, weights: str, as_json: bool) -> None:
    """Show why a photo matches a sentence: where in it each word looks.

    The picture has the photo first, then one for each word.

    Example: pixelseek explain beach.jpg "a dog running on the sand" --output why.png
    """
    from engine.explain import explain_file

    if output is None and not as_json:
        raise click.UsageError("say where to draw it, --output why.png, or ask for numbers with --json")
    explained = explain_file(photo.expanduser(), sentence, weights=weights)
    if output is not None:
        _sheet(explained).save(output, format="PNG")
    if as_json:
        found = explained.explanation
        maps = {"words": found.words, "maps": found.maps.round(3).tolist(), "overall": found.overall.round(3).tolist()}
        print_json({"photo": str(photo), "sentence": sentence, "match": round(explained.match, 4), **maps})
    else:
        click.echo(f"{explained.match:.0%} match; {output} shows where the words look")


def _sheet(explained: ExplainedFile) -> Image.Image:
    """The photo, and the photo under each word's heat, in rows of a page."""
    from PIL import Image, ImageDraw

    from engine.explain import heat

    photo, found = explained.photo, explained.explanation
    tiles = [(f"{explained.match:.0%} match", photo)]
    for word, attention in zip(found.words, found.maps, strict=True):
        tile = photo.copy()
        tile.paste(hot := heat(attention, photo.size), mask=hot)
        tiles.append((word, tile))
    wide, high = photo.width + _GAP, photo.height + _GAP + _LINE
    columns = max(1, min(len(tiles), round((len(tiles) * high / wide) ** 0.5)))
    sheet = Image.new("RGB", (_GAP + columns * wide, _GAP + -(-len(tiles) // columns) * high), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (name, tile) in enumerate(tiles):
        left, top = _GAP + number % columns * wide, _GAP + number // columns * high
        pen.text((left, top), name, fill="black", font_size=_LINE - 5)
        sheet.paste(tile, (left, top + _LINE))
    return sheet
