"""`pixelseek serve`: the same search in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, chosen_library, library_option, library_weights_option
from model.errors import PixelseekError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_THREADS = 80
"""Most of them wait: 64 searches for the model, 8 for news of indexing."""
_MIB = 1024**2
_IDLE_S = 60


class PasswordMissing(PixelseekError):  # noqa: N818
    """Other machines would be let in without a password."""


@click.command()
@click.option(
    "--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 lets the network in, behind a password."
)
@click.option("--port", type=click.IntRange(min=1, max=65535), default=8080, help="Port to listen on.")
@click.option(
    "--root",
    type=FILE,
    metavar="DIR",
    multiple=True,
    help="Folders inside it may be added on the page; name the option again for more.",
)
@library_option
@library_weights_option
def serve(host: str, port: int, root: tuple[Path, ...], library: Path | None, weights: str) -> None:
    """Search in a browser.

    Only this machine can reach the page, unless --host says otherwise; then a
    password must be set: pixelseek password.

    Example: pixelseek serve --port 8080 --root ~/Pictures
    """
    import logging
    import socket

    from waitress.server import create_server

    from web import close_app, create_app
    from web.access import password_hash
    from web.uploads import MOST_BYTES

    folder = chosen_library(library)
    config: dict[str, object] = {"LIBRARY": folder, "WEIGHTS": weights, "ROOTS": root or ()}
    if host in _LOOPBACK:
        # Other sites, open in the same browser, must not reach the photos under a name of their own.
        config["TRUSTED_HOSTS"] = list(_LOOPBACK)
    elif password_hash(folder) is None:
        raise PasswordMissing(f"{host} lets other machines in: set a password first, with `pixelseek password`.")
    address = f"{f'[{host}]' if ':' in host else host}:{port}"
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OSError(error.errno, error.strerror, address) from error
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a page asks for many photos at once: no news
    with listener:
        app = create_app(config)
        server = create_server(
            app,
            sockets=[listener],
            threads=_THREADS,
            channel_timeout=_IDLE_S,
            channel_request_lookahead=1,  # lets a search see that nobody waits for it any more
            max_request_body_size=MOST_BYTES + _MIB,  # a little more than the application, which says it better
            ident=None,
        )
        click.echo(f"Pixelseek is at http://{address}  (Ctrl-C stops it)", err=True)
        try:
            server.run()
        finally:
            close_app(app)
