"""`pixelseek library password`: what the web page asks for."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import chosen_library, library_option


@click.command()
@click.option("--remove", is_flag=True, help="Ask for no password any more.")
@library_option
def password(remove: bool, library: Path | None) -> None:
    """Set the password of the web page and the API.

    Needed before `pixelseek serve` lets other machines in. Only a hash of it is kept, in the library's folder. A
    server that is running takes it up when it is started again.

    Example: pixelseek library password
    """
    from web.access import remove_password, set_password

    folder = chosen_library(library)
    if remove:
        remove_password(folder)
        click.echo("No password is asked for from the next start of `pixelseek serve` on.", err=True)
        return
    chosen = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    set_password(folder, chosen)
    click.echo("It is asked for from the next start of `pixelseek serve` on.", err=True)
