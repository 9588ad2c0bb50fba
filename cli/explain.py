"""`pixelseek explain`: how much each word of a sentence speaks for a photo, and where in it the word is seen."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, device_option, json_option, weights_option
from cli.output import print_json, printable
from cli.sentences import SentenceCommand, as_typed


@click.command(cls=SentenceCommand)
@click.argument("photo", type=FILE, metavar="FILE", help="A photo, in a library or not.")
@click.argument("words", nargs=-1, required=True, metavar="SENTENCE", help="What it is held against.")
@click.option("--output", "-o", type=FILE, metavar="PNG", help="Draw where the words are seen, in a new file.")
@click.option(
    "--method",
    type=click.Choice(["words", "attention"]),
    default="words",
    show_default=True,
    help="What is drawn: where the evidence of a word comes from, or its attention, which does not show where it is.",
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
    """Show why a photo matches a sentence: how much each word speaks for it.

    x11 means: people use the word for a photo like this one at 11 times the usual odds. Where those are 20 or more, the
    picture shows where the word is seen. Filters and excluded terms are left out.

    Example: pixelseek explain beach.jpg "a dog running on the sand" --output why.png
    """
    from cli.new_files import require_new
    from engine.explain import METHODS, explain_file
    from engine.query import parse

    if method != "attention" and (layer, head) != (None, None):
        raise click.UsageError("--layer and --head choose among the attention: add --method attention")
    require_new(output, ".png")
    query = parse(as_typed(words))
    chosen = METHODS[METHODS.index(method)]
    explained = explain_file(photo, query, weights=weights, device=device, method=chosen, layer=layer, head=head)
    if output is not None:
        from engine.panels import draw_panels
        from model.atomic import replacing

        with replacing(output) as new:
            draw_panels(explained).save(new, format="PNG")
    if as_json:
        print_json(explained.explanation.to_json())
        return
    click.echo(f"{explained.explanation.match:.0%} match")
    width = max(len(word.word) for word in explained.explanation.words)
    for word in explained.explanation.words:
        odds = "no evidence" if word.strength == "none" else f"x{word.odds}"
        click.echo(f"  {printable(word.word):{width}}  {odds}")
