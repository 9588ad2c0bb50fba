"""`pixelseek model train`: train a Pixel-BERT."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, data_option, device_option


@click.command()
@click.option(
    "--recipe",
    metavar="NAME_OR_PATH",
    required=True,
    help="All that decides the training: a shipped recipe or a TOML file.",
)
@data_option
@click.option("--output", type=FILE, metavar="DIR", required=True, help="Where checkpoints, log and weights go.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --output.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0.0),
    metavar="N",
    help="Stop after N minutes, to be resumed. Default: never.",
)
@device_option
def train(
    recipe: str, data: tuple[Path | str, ...], output: Path, resume: bool, minutes: float | None, device: str
) -> None:
    """Train a Pixel-BERT on photos with captions; or, by a recipe for a task, fine-tune one to questions or statements.

    Example: pixelseek model train --recipe tiny --data train-000.tar --data train-001.tar --output runs/mine
    """
    from model.training.recipe import load_recipe

    if load_recipe(recipe).task != "retrieval":
        from model.tasks.fine_tuning import fine_tune

        if resume or minutes is not None:
            raise click.UsageError("a recipe for a task runs in one go, without --resume and --minutes")
        weights = fine_tune(recipe, data, output, device=device)
        click.echo(f'The weights are in {weights}: pixelseek ask FILE "question" --weights {weights}')
        return
    from model.training.loop import train as run

    folder = run(recipe, data, output, resume=resume, minutes=minutes, device=device)
    if folder is None:
        click.echo(f"Stopped after {minutes:g} minutes; the same command with --resume goes on.")
    else:
        click.echo(f"The weights are in {folder}: pixelseek index FOLDER --weights {folder}")
