"""`pixelseek model heads`: teach finished weights other tasks than retrieval."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import data_option, device_option, json_option, weights_option
from cli.output import print_json
from model.heads import TASKS, Task


@click.command()
@data_option
@weights_option
@click.option(
    "--task",
    "tasks",
    type=click.Choice(TASKS),
    multiple=True,
    help="vqa: questions; statements, pairs: what is true of a photo, or of two. Default: vqa and pairs.",
)
@device_option
@json_option
def heads(data: tuple[Path | str, ...], weights: str, tasks: tuple[Task, ...], device: str, as_json: bool) -> None:
    """Make the heads of finished weights for other tasks than retrieval, and measure them on dev photos.

    They are kept with the weights, hold for those alone, and change nothing about searching. Minutes on a CPU.

    Example: pixelseek model heads --weights runs/mine/weights --data coco-000.tar --data coco-vqa-000.tar
    """
    from model.tasks.training import train_heads
    from model.weights import find_weights

    reports = []
    for report in train_heads(find_weights(weights), data, tasks or ("vqa", "pairs"), device=device):
        reports.append(report.to_json())
        if not as_json:
            click.echo(f"{report.text()}\n")
    if as_json:
        print_json(reports)
