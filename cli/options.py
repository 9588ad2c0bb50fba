"""Options that mean the same in every command."""

from __future__ import annotations

from pathlib import Path

import click

from model.weights import DEFAULT

FILE = click.Path(path_type=Path)
"""A file or folder, whether it exists or not: the layers below say it better when it does not."""

library_option = click.option(
    "--library",
    type=FILE,
    metavar="PATH",
    help="Folder of the library. Default: $PIXELSEEK_LIBRARY, else a folder of your user data.",
)
weights_option = click.option(
    "--weights", metavar="NAME_OR_PATH", default=DEFAULT, help="The model: a shipped name, or a folder of weights."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
data_option = click.option(
    "--data",
    type=FILE,
    metavar="SHARD",
    multiple=True,
    required=True,
    help="A WebDataset shard (.tar); name the option again for more.",
)
device_option = click.option("--device", default="auto", help="auto, cpu, cuda, ...")


def chosen_library(library: Path | None) -> Path:
    """The folder the user named, or else the default one."""
    from indexer.library import default_library

    return default_library() if library is None else library.expanduser()
