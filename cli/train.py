"""`pixelseek train`: train a Pixel-BERT."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DataOption


def train(
    recipe: Annotated[
        str,
        typer.Option(metavar="NAME_OR_PATH", help="All that decides the training: a shipped recipe or a TOML file."),
    ],
    data: DataOption,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where checkpoints, log and weights go.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --output.")] = False,
    minutes: Annotated[
        float | None, typer.Option(min=0.0, metavar="N", help="Stop after N minutes, to be resumed. Default: never.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
) -> None:
    """Train a Pixel-BERT on photos with captions.

    Example: pixelseek train --recipe tiny --data train-000.tar --data train-001.tar --output runs/mine
    """
    from model.training import train as run

    folder = run(recipe, data, output, resume=resume, minutes=minutes, device=device)
    if folder is None:
        typer.echo(f"Stopped after {minutes:g} minutes; the same command with --resume goes on.")
    else:
        typer.echo(f"The weights are in {folder}: pixelseek index FOLDER --weights {folder}")
