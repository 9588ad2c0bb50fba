"""`pixelseek model`: train and measure models."""

from __future__ import annotations

import click

from cli.groups import LazyGroup


@click.group(
    cls=LazyGroup,
    package=__name__,
    sections={"Commands": ("data", "train", "evaluate", "calibrate", "heads", "export")},
    no_args_is_help=True,
)
def model() -> None:
    """Train models, measure them, and make them ready to search with.

    Example: pixelseek model train --recipe small --data photos-000.tar --output runs/mine
    """
