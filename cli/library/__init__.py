"""`pixelseek library`: look after a library as a whole."""

from __future__ import annotations

import click

from cli.groups import LazyGroup


@click.group(
    cls=LazyGroup,
    package=__name__,
    sections={"Commands": ("verify", "export", "duplicates", "backup", "move", "remove", "password", "demo")},
    no_args_is_help=True,
)
def library() -> None:
    """Check, export, back up and change a library as a whole.

    Example: pixelseek library verify
    """
