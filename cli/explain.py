"""`pixelseek explain`: where in a photo each word of a sentence looks, and how much it speaks for it."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, json_option, weights_option
from cli.output import print_json


@click.command()
@click.argument("photo", type=FILE, metavar="FILE", help="A photo, in a library or not.")
@click.argument("sentence", help="What it is held against.")
@click.option("--output", "-o", type=FILE, metavar="PNG", help="Where to draw it.")
@click.option(
    "--method",
    type=click.Choice(["attention", "rollout", "relevance"]),
    default="attention",
    show_default=True,
    help="Attention of single layers, or followed through all of them, or weighted by what counts for the match "
    "(needs PyTorch).",
)
@click.option("--layer", type=int, metavar="N", help="Attention of this layer only, of those where words see pixels.")
@click.option("--head", type=int, metavar="N", help="Attention of this head only.")
@weights_option
@json_option
def explain(
    photo: Path,
    sentence: str,
    output: Path | None,
    method: str,
    layer: int | None,
    head: int | None,
    weights: str,
    as_json: bool,
) -> None:
    """Show why a photo matches a sentence: where in it each word looks, and how much it speaks for the photo.

    The picture has the photo first, then one for each word.

    Example: pixelseek explain beach.jpg "a dog running on the sand" --output why.png
    """
    from engine.explain import METHODS, explain_file

    if output is None and not as_json:
        raise click.UsageError("say where to draw it, --output why.png, or ask for numbers with --json")
    chosen = METHODS[METHODS.index(method)]
    explained = explain_file(photo.expanduser(), sentence, weights=weights, method=chosen, layer=layer, head=head)
    if output is not None:
        from engine.panels import draw_panels

        draw_panels(explained, sentence).save(output, format="PNG")
    if as_json:
        found = explained.explanation
        told = {
            "words": found.words,
            "evidence": found.evidence.round(3).tolist(),
            "maps": found.maps.round(3).tolist(),
            "overall": found.overall.round(3).tolist(),
        }
        print_json({"photo": str(photo), "sentence": sentence, "match": round(explained.match, 4), **told})
    else:
        click.echo(f"{explained.match:.0%} match; {output} shows where the words look")
