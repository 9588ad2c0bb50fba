"""`pixelseek password`: what the web page asks for."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import LibraryOption, chosen_library


def password(
    remove: Annotated[bool, typer.Option("--remove", help="Ask for no password any more.")] = False,
    library: LibraryOption = None,
) -> None:
    """Set the password of the web page and the API.

    Needed before `pixelseek serve` lets other machines in. Only a hash of it is kept, in the library's folder. A
    server that is running takes it up when it is started again.

    Example: pixelseek password
    """
    from web.access import remove_password, set_password

    folder = chosen_library(library)
    if remove:
        remove_password(folder)
        typer.echo("No password is asked for from the next start of `pixelseek serve` on.", err=True)
        return
    chosen = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    set_password(folder, chosen)
    typer.echo("It is asked for from the next start of `pixelseek serve` on.", err=True)
