"""`pixelseek explain`: where in a photo each word of a sentence looks, and how much it speaks for it."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, device_option, json_option, weights_option
from cli.output import print_json
from cli.sentences import SentenceCommand, as_typed


@click.command(cls=SentenceCommand)
@click.argument("photo", type=FILE, metavar="FILE", help="A photo, in a library or not.")
@click.argument("words", nargs=-1, required=True, metavar="SENTENCE", help="What it is held against.")
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
@device_option
@json_option
def explain(
    photo: Path,
    words: tuple[str, ...],
    output: Path | None,
    method: str,
    layer: int | None,
    head: int | None,
    weights: str,
    device: str,
    as_json: bool,
) -> None:
    """Show why a photo matches a sentence: where in it each word looks, and how much it speaks for the photo.

    The picture has the photo first, then one for each word. Filters and excluded terms are left out.

    Example: pixelseek explain beach.jpg "a dog running on the sand" --output why.png
    """
    from engine.explain import METHODS, explain_file
    from engine.query import parse

    if output is None and not as_json:
        raise click.UsageError("say where to draw it, --output why.png, or ask for numbers with --json")
    query = parse(as_typed(words))
    chosen = METHODS[METHODS.index(method)]
    explained = explain_file(
        photo.expanduser(), query, weights=weights, device=device, method=chosen, layer=layer, head=head
    )
    if output is not None:
        from engine.panels import draw_panels

        draw_panels(explained, query.words).save(output, format="PNG")
    if as_json:
        explanation = explained.explanation
        numbers = {
            "words": explanation.words,
            "evidence": explanation.evidence.round(3).tolist(),
            "maps": explanation.maps.round(3).tolist(),
            "overall": explanation.overall.round(3).tolist(),
        }
        print_json({"photo": str(photo), "sentence": query.text, "match": round(explained.match, 4), **numbers})
    else:
        click.echo(f"{explained.match:.0%} match; {output} shows where the words look")
