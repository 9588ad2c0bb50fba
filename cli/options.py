"""Options that mean the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="PATH",
        help="Folder of the library. Default: $PIXELSEEK_LIBRARY, else a folder of your user data.",
        show_default=False,
    ),
]
WeightsOption = Annotated[
    str,
    typer.Option("--weights", metavar="NAME_OR_PATH", help="The model: a shipped name, or a folder of weights."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DataOption = Annotated[
    list[Path],
    typer.Option("--data", metavar="SHARD", help="A WebDataset shard (.tar); name the option again for more."),
]


def chosen_library(library: Path | None) -> Path:
    """The folder the user named, or else the default one."""
    from indexer.library import default_library

    return default_library() if library is None else library.expanduser()
