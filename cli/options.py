"""Options that mean the same in every command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model.paths import expanded
from model.weights import DEFAULT

if TYPE_CHECKING:
    from model.bundle import TrainedModel


class _File(click.Path):
    """A path, in the form of Unicode that it has on the disk, with the home folder in place of `~`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """To that path."""
        from indexer.library.paths import as_on_disk

        if not value:  # Path takes it for the current folder
            self.fail("it is empty. Is a variable of the shell not set?", param, ctx)
        path = expanded(os.fsdecode(value))
        return as_on_disk(Path(os.fsdecode(super().convert(path, param, ctx))))


FILE = _File(path_type=Path)
"""A file or folder, which need not exist: the layers below have the better error message."""


class _FileOrUrl(_File):
    """A path, or a URL as it is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """To a path where it is none of a URL."""
        return value if isinstance(value, str) and "://" in value else super().convert(value, param, ctx)


library_option = click.option(
    "--library",
    type=FILE,
    metavar="PATH",
    is_eager=True,  # known before the weights
    help="Folder of the library. Default: $PIXELSEEK_LIBRARY, else a folder of your user data.",
)


def _weights_of_library(ctx: click.Context, _option: click.Parameter, weights: str | None) -> str:
    """Those named, else those the library is searched with, else the shipped ones."""
    from indexer.library.defaults import recorded_weights

    return weights or recorded_weights(chosen_library(ctx.params.get("library"))) or DEFAULT


_WEIGHTS = "The model: a shipped name, a folder of weights, or hf:owner/name@revision."
_LIBRARY_WEIGHTS = f"{_WEIGHTS} Default: the library's, at first {DEFAULT}."
library_weights_option = click.option(
    "--weights", metavar="NAME_OR_PATH", callback=_weights_of_library, help=_LIBRARY_WEIGHTS
)
named_weights_option = click.option("--weights", metavar="NAME_OR_PATH", help=_LIBRARY_WEIGHTS)
"""The same, but None where none are named: for commands that may not need a model."""
viewed_weights_option = click.option(
    "--weights",
    metavar="NAME_OR_PATH",
    help="See the library as another model has encoded it. Default: as it is searched, for which no model is needed.",
)
weights_option = click.option("--weights", metavar="NAME_OR_PATH", default=DEFAULT, help=_WEIGHTS)
log_file_option = click.option(
    "--log-file", type=FILE, metavar="PATH", help="Write the log into this file instead of to standard error."
)
verbose_option = click.option(
    "--verbose", is_flag=True, help="Log more: every request with the sentence searched for, and what packages say."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
data_option = click.option(
    "--data",
    type=_FileOrUrl(path_type=Path),
    metavar="SHARD",
    multiple=True,
    required=True,
    help="A WebDataset shard (.tar), or its URL, s3://bucket/shard.tar; name the option again for more.",
)
device_option = click.option("--device", default="auto", help="Where to compute: auto, cpu, cuda, cuda:1, ...")
library_device_option = click.option(
    "--device", help="Where to compute: auto, cpu, cuda, cuda:1, ... Default: the library's setting, at first auto."
)


exclude_option = click.option(
    "--exclude",
    metavar="GLOB",
    multiple=True,
    help="Leave out what fits, such as '*.png' or 'drafts/'. Kept with the folders until given anew; '' ends it.",
)
include_option = click.option(
    "--include",
    metavar="GLOB",
    multiple=True,
    help="Read what fits although --exclude or a default leaves it out. Kept as --exclude is.",
)


def open_model(weights: str, library: Path | None, device: str | None) -> TrainedModel:
    """The model of that name, which computes as the options or the settings of the library say."""
    from engine import models

    return models.open_model(chosen_library(library), weights, device)


def viewed_generation(weights: str | None) -> str | None:
    """That of the weights which were named; None where none were."""
    from model.weights import find_weights, generation

    return generation(find_weights(weights)) if weights else None


def chosen_library(library: Path | None) -> Path:
    """The folder the user named, or else the default one."""
    from indexer.library.defaults import default_library

    return default_library() if library is None else library
