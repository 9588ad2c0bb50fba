"""`pixelseek ask`: answer a question about a photo."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, device_option, json_option, weights_option
from cli.output import bar, print_json


@click.command()
@click.argument("photo", type=FILE, metavar="FILE", help="A photo, in a library or not.")
@click.argument("words", nargs=-1, required=True, metavar="QUESTION", help="In English.")
@click.option("--top", type=click.IntRange(min=1), default=5, help="How many answers to print.")
@weights_option
@device_option
@json_option
def ask(photo: Path, words: tuple[str, ...], top: int, weights: str, device: str, as_json: bool) -> None:
    """Answer a question about a photo.

    Experimental: more answers to open questions are wrong than right. The percentage says how likely an answer is
    right. Where even the first is unlikely, the model does not know.

    Example: pixelseek ask beach.jpg "how many dogs are there?"
    """
    from engine.answers import ask_file

    answers = ask_file(photo, " ".join(words), top=top, weights=weights, device=device)
    if as_json:
        print_json(answers.to_json())
        return
    if not answers.known:
        click.echo(f"I do not know: no answer reaches {answers.cutoff:.0%}. What comes nearest:")
    for answer in answers.answers:
        click.echo(f"{answer.probability:5.0%}  {bar(answer.probability)}  {answer.answer}")
