"""`pixelseek model export`: the graphs by which weights run without PyTorch."""

from __future__ import annotations

import click

from cli.options import json_option
from cli.output import print_json


@click.command()
@click.option("--weights", required=True, help="Name or folder of the weights.")
@json_option
def export(weights: str, as_json: bool) -> None:
    """Write the graphs of a network beside its weights, and of its heads, so that they run without PyTorch.

    A few hundred kilobytes: the weights themselves stay in model.safetensors.

    Example: pixelseek model export --weights runs/mine/weights
    """
    from model.heads import heads_in
    from model.runtime.graphs import write_graphs
    from model.runtime.head_graphs import write_head_graph
    from model.weights import find_weights

    folder = find_weights(weights)
    paths = write_graphs(folder)
    paths += [write_head_graph(folder, task) for task in heads_in(folder)]
    if as_json:
        print_json([str(path) for path in paths])
        return
    for path in paths:
        click.echo(f"{path}: {path.stat().st_size / 1000:,.0f} kB")
