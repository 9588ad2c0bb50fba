"""`pixelseek export-onnx`: the graphs by which weights run without PyTorch."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import JsonOption
from cli.output import print_json


def export_onnx(
    weights: Annotated[str, typer.Option(help="Name or folder of the weights.")],
    as_json: JsonOption = False,
) -> None:
    """Write the graphs of a network beside its weights, so that it runs without PyTorch.

    A few hundred kilobytes: the weights themselves stay in model.safetensors.

    Example: pixelseek export-onnx --weights runs/mine/weights
    """
    from model.graphs import write_graphs
    from model.weights import find_weights

    paths = write_graphs(find_weights(weights))
    if as_json:
        print_json([str(path) for path in paths])
        return
    for path in paths:
        typer.echo(f"{path}: {path.stat().st_size / 1000:,.0f} kB")
